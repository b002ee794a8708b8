/** The rows as a table for a terminal or for Markdown. */
import { isMet, type Row, type Spread } from './measure.ts';

const HEAD = ['measure', 'relay365', 'against', '', 'ratio', 'goal', ''];

/** Aligned columns; each note under its row. */
export function formatTable(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line, n) => {
      const note = rows[n - 1]?.note;
      const text = line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
      return note === undefined ? text.trimEnd() : `${text.trimEnd()}\n    ${note}`;
    })
    .join('\n');
}

export function markdownTable(rows: readonly Row[]): string {
  const lines = [HEAD, HEAD.map(() => '---'), ...rows.map(cells)];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}

function cells(row: Row): string[] {
  const { measure, unit, ours, against, comparison, goal } = row;
  return [
    measure,
    `${formatSpread(ours)} ${unit}`,
    against?.name ?? '',
    against ? `${formatSpread(against.figure)} ${unit}` : '',
    comparison ? formatComparison(comparison) : '',
    goal ? formatGoal(row) : '',
    { true: 'met', false: 'MISSED', undefined: '' }[String(isMet(row))] ?? '',
  ];
}

function formatComparison({ by, value }: NonNullable<Row['comparison']>): string {
  return by === 'ratio' ? `${formatSpread(value)} ×` : `${value.median > 0 ? '+' : ''}${formatSpread(value)}`;
}

function formatGoal({ goal, comparison, unit }: Row): string {
  if (!goal) return '';
  const [sign, bound] = 'atLeast' in goal ? ['≥', goal.atLeast] : ['≤', goal.atMost];
  return `${sign} ${bound} ${comparison?.by === 'ratio' ? '×' : unit}`;
}

function formatSpread({ median, min, max }: Spread): string {
  return min === max ? format(median) : `${format(median)} (${format(min)}–${format(max)})`;
}

/** Three significant digits. */
function format(figure: number): string {
  if (Math.abs(figure) >= 100) return Math.round(figure).toLocaleString('en-US');
  return String(Number(figure.toPrecision(3)));
}
