/** The results on disk: a JSON file with each part's last run, and what docs/ shows of it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawChart } from './chart.ts';
import { type Row, spread } from './measure.ts';
import { ROOT } from './process.ts';
import { markdownTable } from './table.ts';

export interface PartResult {
  readonly at: string;
  readonly machine: string;
  readonly fsyncMs: number;
  readonly rows: readonly Row[];
}

export type Results = Readonly<Record<string, PartResult>>;

/** Not for the repository: it changes with each run. */
const RESULTS = join(ROOT, 'bench/results.json');
const SHOWN = join(ROOT, 'docs/performance.json');
const PAGE = join(ROOT, 'docs/performance.md');
const CHART = join(ROOT, 'docs/performance.svg');
/** They enclose the generated part of the page. */
const BEGIN = '<!-- results: begin -->';
const END = '<!-- results: end -->';

export function readResults(): Results {
  return existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Results) : {};
}

/** Replaces the results of the part's last run. */
export function keepResults(part: string, result: Omit<PartResult, 'at'>): void {
  writeJson(RESULTS, { ...readResults(), [part]: { at: new Date().toISOString(), ...result } });
}

function writeJson(path: string, results: Results): void {
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** Writes the results into docs/performance.md, draws its chart and stores the figures next to it. */
export function writeDocs(results: Results): void {
  writeJson(SHOWN, results);
  const parts = Object.values(results);
  const rows = parts.flatMap((part) => part.rows);
  writeFileSync(CHART, drawChart(rows));
  const notes = rows.flatMap(({ measure, note }) => (note === undefined ? [] : [`- ${measure}: ${note}`]));
  const block = [BEGIN, ...conditions(parts), markdownTable(rows), notes.join('\n'), END].join('\n\n');
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${PAGE} does not have the marks around its results.`);
  writeFileSync(PAGE, page.slice(0, from) + block + page.slice(to + END.length));
  execFileSync(join(ROOT, 'node_modules/.bin/biome'), ['format', '--write', PAGE, SHOWN], { stdio: 'ignore' });
}

/** Each machine with the days of its runs, and the speed of its disk on those days. */
function conditions(parts: readonly PartResult[]): string[] {
  return [...new Set(parts.map(({ machine }) => machine))].map((machine) => {
    const own = parts.filter((part) => part.machine === machine);
    const days = [...new Set(own.map(({ at }) => at.slice(0, 10)))].sort();
    const { min, max } = spread(own.map(({ fsyncMs }) => fsyncMs));
    const disk = `a write reached the disk in ${min.toFixed(2)} to ${max.toFixed(2)} ms (medians)`;
    return `Measured on ${machine}; ${disk}; ${days.join(', ')}.`;
  });
}
