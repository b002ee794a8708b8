/**
 * All that is wrong with a draft whose shape is wrong in places: the fields that have their shape are judged as well,
 * so that a sender mends everything at once.
 */
import type { Draft } from '../core/message/draft.ts';
import type { FieldError } from '../core/message/field-errors.ts';
import type { Directory } from '../core/mailbox/mailbox.ts';
import { createPrepare } from '../core/submit/submission.ts';
import { SendRequest } from './schemas/send.ts';
import { wellShaped } from './schema-check.ts';

export type FindErrors = (body: unknown, shapeErrors: readonly FieldError[]) => Promise<readonly FieldError[]>;

/** Fields of which one is enough; the first is named when there is none, which a misshapen other one makes untrue. */
const ONE_IS_ENOUGH = [
  ['to', 'cc', 'bcc'],
  ['text', 'html', 'calendar', 'attachments'],
];

const ERRORS_MAX = 100;

export function openFindErrors(directory: Directory): FindErrors {
  const classify = createPrepare({
    directory: () => directory,
    newId: () => '',
    now: () => new Date(),
    messageTtlMs: 1,
  });
  return async (body, shapeErrors) => {
    if (!isObject(body)) return shapeErrors;
    // Each field is checked anew: of very many errors some were not noted.
    const outcome = classify(wellShaped(body, SendRequest) as Draft, { name: '' });
    const more = 'errors' in outcome ? outcome.errors : [];
    const excused = excusedFields(shapeErrors);
    return [...shapeErrors, ...more.filter(({ field }) => !excused.has(field))].slice(0, ERRORS_MAX);
  };
}

function isObject(body: unknown): body is object {
  return typeof body === 'object' && body !== null && !Array.isArray(body);
}

function excusedFields(shapeErrors: readonly FieldError[]): ReadonlySet<string> {
  const wrong = new Set(shapeErrors.map(({ field }) => field.split(/[.[]/, 1)[0] ?? ''));
  const excused = ONE_IS_ENOUGH.filter((group) => group.some((field) => wrong.has(field))).map(([first = '']) => first);
  return new Set(excused);
}
