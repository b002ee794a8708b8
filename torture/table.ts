/** The table of faults and outcomes. A request and an attempt count for the fault that started last before them. */
import type { Evidence, Injected } from './evidence.ts';
import { type Request, UNANSWERED } from './load.ts';

const OUTCOMES = ['sent', 'deferred', 'unknown', 'interrupted', 'throttled', 'held', 'failed'] as const;
const COLUMNS = ['202', '503', '503?', '250', '4xx', 'no answer', ...OUTCOMES, 'twice'] as const;
const BEFORE = '(none yet)';

type Row = Map<string, number>;

/** Lines of Markdown. After `503` nothing was queued; after `503?` this is unknown. `twice` counts further copies. */
export function makeTable(evidence: Evidence): string[] {
  const rows = countRows(evidence);
  const times = Map.groupBy(evidence.faults, ({ name }) => name);
  const names = [BEFORE, ...[...times.keys()].sort()].filter((name) => rows.has(name) || times.has(name));
  const cells = (name: string) => [
    name,
    String(times.get(name)?.length ?? ''),
    ...COLUMNS.map((column) => String(rows.get(name)?.get(column) ?? '')),
  ];
  const sum = (column: string) => [...rows.values()].reduce((total, row) => total + (row.get(column) ?? 0), 0);
  const total = ['all', String(evidence.faults.length), ...COLUMNS.map((column) => String(sum(column)))];
  return layOut([['fault', 'times', ...COLUMNS], ...names.map(cells), total]);
}

function countRows(evidence: Evidence): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const [at, column] of eventsOf(evidence)) {
    const name = lastBefore(evidence.faults, at);
    const row = rows.get(name) ?? new Map<string, number>();
    rows.set(name, row.set(column, (row.get(column) ?? 0) + 1));
  }
  return rows;
}

/** What happened when, by the names of the columns. */
function eventsOf({ requests, messages, taken }: Evidence): (readonly [number, string])[] {
  const attempts = [...messages.values()].flatMap((message) => message?.attempts ?? []);
  const copies = [...Map.groupBy(taken, ({ subject }) => subject).values()].flatMap((all) => all.slice(1));
  return [
    ...requests.map((request) => [request.at, columnOf(request)] as const),
    ...attempts.map(({ at, outcome }) => [Date.parse(at), outcome] as const),
    ...copies.map(({ at }) => [at.getTime(), 'twice'] as const),
  ];
}

function columnOf({ protocol, answer }: Request): string {
  switch (answer.kind) {
    case 'accepted':
      return protocol === 'HTTP' ? '202' : '250';
    case 'refused':
      if (protocol === 'SMTP') return `${String(answer.status).slice(0, 1)}xx`;
      return answer.type === UNANSWERED ? '503?' : String(answer.status);
    case 'no-answer':
      return 'no answer';
  }
}

function lastBefore(faults: readonly Injected[], at: number): string {
  const before = faults.filter((fault) => fault.at <= at);
  return (
    before.reduce<Injected | undefined>((last, fault) => (last && last.at > fault.at ? last : fault), undefined)
      ?.name ?? BEFORE
  );
}

function layOut(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  const [head = [], ...rest] = rows;
  return [line(head), rule, ...rest.map(line)];
}
