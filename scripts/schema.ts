/** Writes relay365.schema.json, which editors read for relay365.yaml; with `--check` it only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { FileSchema } from '../src/config/file-schema.ts';

const FILE = new URL('../relay365.schema.json', import.meta.url);

const wanted = `${JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', ...FileSchema }, null, 2)}\n`;
if (!process.argv.includes('--check')) {
  writeFileSync(FILE, wanted);
  process.stdout.write('relay365.schema.json written\n');
} else if (readFileSync(FILE, 'utf8') !== wanted) {
  process.stderr.write('relay365.schema.json is not what the code says. Run `npm run openapi` and commit the file.\n');
  process.exitCode = 1;
}
