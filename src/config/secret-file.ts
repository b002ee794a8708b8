/** A secret in a file of its own, as container platforms hand it over. */
import { readFileSync } from 'node:fs';
import type { Fault } from './fault.ts';

/** The trimmed content; undefined when the file can't be read, which is a fault of `where` then. */
export function readSecretFile(path: string, where: string, faults: Fault[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    faults.push({ where, message: `can't be read: ${(error as Error).message}` });
    return undefined;
  }
}
