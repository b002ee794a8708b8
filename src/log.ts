/** The log on standard output: JSON lines for machines, readable lines in a terminal. No secret, no mail content. */
import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

export function openLog(level: string, terminal: boolean): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return terminal
    ? pino(options, pretty({ translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', sync: true }))
    : pino(options);
}
