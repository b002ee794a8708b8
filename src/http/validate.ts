/** All that is wrong with a mail whose shape is wrong in places, so that its sender can fix everything at once. */
import type { FieldError } from '../core/message/field-errors.ts';
import type { Checked, Draft } from '../core/submit/submission.ts';
import type { Received } from './bodies.ts';

/** Of these fields one is enough. Core names the first when there is none, which a misshapen other one makes untrue. */
const ONE_IS_ENOUGH = [
  ['to', 'cc', 'bcc'],
  ['text', 'html', 'calendar', 'attachments'],
];

const ERRORS_MAX = 100;

/** What is wrong with the mail's shape, and with the values of its other fields. */
export function allErrors(
  { draft, shapeErrors }: Omit<Received, 'body'>,
  check: (draft: Draft) => Checked,
): readonly FieldError[] {
  const checked = check(draft);
  const more = 'errors' in checked ? checked.errors : [];
  const excused = excusedFields(shapeErrors);
  return [...shapeErrors, ...more.filter(({ field }) => !excused.has(field))].slice(0, ERRORS_MAX);
}

function excusedFields(shapeErrors: readonly FieldError[]): ReadonlySet<string> {
  const wrong = new Set(shapeErrors.map(({ field }) => field.split(/[.[]/, 1)[0] ?? ''));
  const excused = ONE_IS_ENOUGH.filter((group) => group.some((field) => wrong.has(field))).map(([first = '']) => first);
  return new Set(excused);
}
