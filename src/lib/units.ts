/** Units of time and size. */
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
export const KILOBYTE = 1_024;
export const MEGABYTE = 1_024 * KILOBYTE;
