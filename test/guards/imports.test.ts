/** The import rule of src/README.md is held by the linter: forbidden imports are planted in a copy of src, and refused. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../helpers/process.ts';

/** A file in its folder, and what it imports though it may not. */
const FORBIDDEN: readonly (readonly [file: string, specifier: string])[] = [
  ['src/core/message/planted.ts', '../../queue/redis/keys.ts'],
  ['src/core/deliver/planted.ts', 'node:fs'],
  ['src/core/submit/planted.ts', 'fastify'],
  ['src/lib/planted.ts', '../core/message/address.ts'],
  ['src/queue/work/planted.ts', '../../config/config.ts'],
  ['src/queue/redis/planted.ts', '../../smtp/pool.ts'],
  ['src/queue/planted.ts', '../config/config.ts'],
  ['src/http/planted.ts', '../config/mailboxes.ts'],
  ['src/http/planted.ts', '../smtp/pool.ts'],
  ['src/http/routes/planted.ts', '../../config/config.ts'],
  ['src/http/routes/planted.ts', '../../queue/records/records.ts'],
  ['src/smtp/planted.ts', '../entra/tokens.ts'],
  ['src/smtp-in/planted.ts', '../queue/accept/accept.ts'],
  ['src/entra/planted.ts', '../config/config.ts'],
  ['src/sandbox/planted.ts', '../smtp/pool.ts'],
  ['src/config/planted.ts', '../http/app.ts'],
  ['src/observe/planted.ts', '../app/run.ts'],
  ['src/doctor/planted.ts', '../http/app.ts'],
  ['src/new-room/planted.ts', '../queue/redis/keys.ts'],
  ['src/new-room/inner/planted.ts', '../../http/app.ts'],
];

/** What the same files may import. */
const ALLOWED: readonly (readonly [file: string, specifier: string])[] = [
  ['src/core/deliver/allowed.ts', '../message/message.ts'],
  ['src/queue/work/allowed.ts', '../../core/message/message.ts'],
  ['src/queue/work/allowed.ts', '../redis/keys.ts'],
  ['src/http/routes/allowed.ts', '../problems.ts'],
  ['src/new-room/allowed.ts', '../core/message/message.ts'],
  ['src/app/allowed.ts', '../queue/redis/keys.ts'],
];

interface Diagnostic {
  readonly category?: string;
  readonly location?: { readonly path?: string; readonly start?: { readonly line: number } };
}

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'relay365-imports-'));
  cpSync(join(ROOT, 'biome.json'), join(root, 'biome.json'));
  cpSync(join(ROOT, 'src'), join(root, 'src'), { recursive: true });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The imports that the linter refuses, as `file:line`. */
function refusedImports(): string[] {
  const biome = join(ROOT, 'node_modules', '.bin', 'biome');
  const args = ['lint', '--vcs-enabled=false', '--only=style/noRestrictedImports', '--reporter=json', 'src'];
  const { diagnostics } = JSON.parse(run(biome, [...args, '--max-diagnostics=none'])) as {
    readonly diagnostics: readonly Diagnostic[];
  };
  return diagnostics.map(({ location }) => `${location?.path}:${location?.start?.line}`).sort();
}

/** What it prints, whatever it exits with. */
function run(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    return (error as { readonly stdout: string }).stdout;
  }
}

/** Writes the imports, one a line; resolves to their places as `file:line`. */
function plant(imports: typeof FORBIDDEN): string[] {
  const lines = new Map<string, string[]>();
  const places = imports.map(([file, specifier]) => {
    const before = lines.get(file) ?? [];
    lines.set(file, [...before, `import '${specifier}';`]);
    return `${file}:${before.length + 1}`;
  });
  for (const [file, text] of lines) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), `${text.join('\n')}\n`);
  }
  return places.sort();
}

test('a forbidden import is refused, in old rooms and in new ones, and an allowed one is not', () => {
  expect(refusedImports()).toEqual([]);
  const forbidden = plant(FORBIDDEN);
  plant(ALLOWED);
  expect(refusedImports()).toEqual(forbidden);
});
