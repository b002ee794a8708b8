/** A secret in a file of its own, as container platforms provide it. */
import { readFileSync } from 'node:fs';
import type { Fault } from './fault.ts';

/** The trimmed content; undefined when the file cannot be read, which is added to the faults. */
export function readSecretFile(path: string, where: string, faults: Fault[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    faults.push({ where, message: `cannot be read: ${(error as Error).message}` });
    return undefined;
  }
}
