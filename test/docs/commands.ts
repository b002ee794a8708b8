/** Runs the commands that the documentation shows. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runToEnd, type Service, temporaryFolder } from '../examples/process.ts';

export const START_TIMEOUT_MS = 60_000;

/** Where the documentation's commands look for relay365. */
const SHOWN_URL = 'http://localhost:3000';

/** Runs a command in a folder with these files. Resolves with its output. */
export async function shell(
  command: string,
  service: Service,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const ended = await runToEnd(['sh', '-c', localized(command, service)], {}, folder);
  expect(ended).toMatchObject({ code: 0 });
  return ended.stdout;
}

/** The same text for the service of this test, still by name and not by number. */
export function localized(text: string, { url }: Service): string {
  expect(text).toContain(SHOWN_URL);
  return text.replaceAll(SHOWN_URL, `http://localhost:${new URL(url).port}`);
}
