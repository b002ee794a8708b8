/** The table of faults and outcomes: a request and an attempt count for the fault that began last before them. */
import type { Evidence, Injected } from './evidence.ts';
import { subjectOf, UNANSWERED } from './load.ts';

const OUTCOMES = ['sent', 'deferred', 'unknown', 'interrupted', 'throttled', 'held', 'failed'] as const;
const COLUMNS = ['202', '503', '503?', 'no answer', ...OUTCOMES, 'twice'] as const;
const BEFORE = '(none yet)';

type Row = Map<string, number>;

/** Lines of Markdown. `503` is certain that nothing was queued, `503?` is not; `twice` counts further copies of a mail. */
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

function countRows({ requests, messages, taken, faults }: Evidence): Map<string, Row> {
  const rows = new Map<string, Row>();
  const count = (at: number, column: string) => {
    const name = lastBefore(faults, at);
    const row = rows.get(name) ?? new Map<string, number>();
    rows.set(name, row.set(column, (row.get(column) ?? 0) + 1));
  };
  for (const { at, answer } of requests) {
    if (answer.kind === 'no-answer') count(at, 'no answer');
    else if (answer.kind === 'accepted') count(at, '202');
    else count(at, answer.type === UNANSWERED ? '503?' : String(answer.status));
  }
  for (const { at, outcome } of [...messages.values()].flatMap((message) => message?.attempts ?? [])) {
    count(Date.parse(at), outcome);
  }
  const subjects = new Set(requests.map(({ mail }) => subjectOf(mail.n)));
  for (const [subject, copies] of Map.groupBy(taken, ({ subject: one }) => one ?? '')) {
    if (subjects.has(subject)) for (const { at } of copies.slice(1)) count(at.getTime(), 'twice');
  }
  return rows;
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
