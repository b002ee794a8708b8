/** The results on disk: a JSON file that keeps each part's last run, and what docs/ shows of it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawChart } from './chart.ts';
import type { Row } from './measure.ts';
import { ROOT } from './process.ts';
import { markdownTable } from './table.ts';

export interface PartResult {
  readonly at: string;
  readonly machine: string;
  readonly rows: readonly Row[];
}

export type Results = Readonly<Record<string, PartResult>>;

/** Not for the repository: it changes with each run. */
const RESULTS = join(ROOT, 'bench/results.json');
const SHOWN = join(ROOT, 'docs/performance.json');
const PAGE = join(ROOT, 'docs/performance.md');
const CHART = join(ROOT, 'docs/performance.svg');
/** The page's generated block stands between these. */
const BEGIN = '<!-- results: begin -->';
const END = '<!-- results: end -->';

export function readResults(): Results {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Results) : {};
}

/** In the place of what the part's last run had. */
export function keepResults(part: string, machine: string, rows: readonly Row[]): void {
  writeJson(RESULTS, { ...readResults(), [part]: { at: new Date().toISOString(), machine, rows } });
}

function writeJson(path: string, results: Results): void {
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** Puts the results into docs/performance.md, draws its chart and keeps the figures beside it. */
export function writeDocs(results: Results): void {
  writeJson(SHOWN, results);
  const parts = Object.values(results);
  const rows = parts.flatMap((part) => part.rows);
  writeFileSync(CHART, drawChart(rows));
  const machines = [...new Set(parts.map(({ machine, at }) => `${machine}; ${at.slice(0, 10)}`))];
  const notes = rows.flatMap(({ measure, note }) => (note === undefined ? [] : [`- ${measure}: ${note}`]));
  const block = [BEGIN, ...machines, markdownTable(rows), notes.join('\n'), END].join('\n\n');
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has lost the marks of its results.`);
  writeFileSync(PAGE, page.slice(0, from) + block + page.slice(to + END.length));
}
