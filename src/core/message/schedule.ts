/** When a message may be sent, and until when it is tried. */
import type { FieldErrors } from './field-errors.ts';

export interface ScheduleDraft {
  /** RFC 3339. */
  readonly sendAt?: string;
  readonly expiresAt?: string;
}

export interface Schedule {
  /** Not before then; undefined: now. */
  readonly sendAt?: Date;
  /** When relay365 stops trying. */
  readonly expiresAt: Date;
}

const DAYS_AHEAD_MAX = 30;
const DAY_MS = 86_400_000;
/** Clocks differ: a time in the recent past means now. */
const CLOCK_SKEW_MS = 60_000;
/** RFC 3339 5.6: only a date, or a time without its zone, does not name a moment. */
const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Reads the times of a draft; `messageTtlMs` counts from `sendAt`, or from now. */
export function readSchedule(draft: ScheduleDraft, now: Date, messageTtlMs: number, errors: FieldErrors): Schedule {
  const asked = readTime(draft.sendAt, 'sendAt', now, errors);
  const sendAt = asked && asked > now ? asked : undefined;
  const begin = sendAt ?? now;
  const end = readTime(draft.expiresAt, 'expiresAt', now, errors);
  if (end && end <= begin && !isPast(end, now)) errors.add('expiresAt', 'Must be after sendAt, and in the future.');
  return { ...(sendAt && { sendAt }), expiresAt: end ?? new Date(begin.getTime() + messageTtlMs) };
}

/** An RFC 3339 time; undefined, and an error, when it is invalid. */
export function readMoment(text: string, field: string, errors: FieldErrors): Date | undefined {
  const time = new Date(text);
  const day = RFC_3339.exec(text)?.[1];
  if (day !== undefined && !Number.isNaN(time.getTime()) && isDay(day)) return time;
  errors.add(field, 'Must be an RFC 3339 time with its zone, like 2026-12-24T18:00:00Z or 2026-12-24T19:00:00+01:00.');
  return undefined;
}

function readTime(text: string | undefined, field: string, now: Date, errors: FieldErrors): Date | undefined {
  const time = text === undefined ? undefined : readMoment(text, field, errors);
  if (!time) return undefined;
  if (isPast(time, now)) errors.add(field, `${text} is in the past.`);
  if (time.getTime() > now.getTime() + DAYS_AHEAD_MAX * DAY_MS) {
    errors.add(field, `${text} is more than ${DAYS_AHEAD_MAX} days ahead.`);
  }
  return time;
}

function isPast(time: Date, now: Date): boolean {
  return time.getTime() < now.getTime() - CLOCK_SKEW_MS;
}

/** `Date` reads the 31st of a shorter month as the 1st of the next. */
function isDay(day: string): boolean {
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}
