/** Draws the comparisons as an SVG: a bar for each ratio with its spread, a line for "the same", and a mark for the goal. */
import { type Goal, isMet, type Row, type Spread } from './measure.ts';

const WIDTH = 900;
const ROW_HEIGHT = 34;
const MARGIN = 28;
const LABELS_WIDTH = 440;
const COLOURS = { met: '#2e7d32', missed: '#c62828', none: '#546e7a', goal: '#000', grid: '#bbb' };

type Scale = (ratio: number) => number;
interface RatioRow extends Row {
  readonly comparison: { readonly by: 'ratio'; readonly value: Spread };
}

/** Only rows that are compared by a ratio are drawn. */
export function drawChart(rows: readonly Row[]): string {
  const ratios = rows.filter((row): row is RatioRow => row.comparison?.by === 'ratio');
  const most = Math.max(1, ...ratios.flatMap((row) => [row.comparison.value.max, bound(row.goal) ?? 0]));
  const scale: Scale = (ratio) => LABELS_WIDTH + (ratio / most) * (WIDTH - LABELS_WIDTH - 60);
  const height = 2 * MARGIN + ratios.length * ROW_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`,
    '  font-family="sans-serif" font-size="12">',
    '<title>relay365 compared with what it is measured against</title>',
    '<rect width="100%" height="100%" fill="#fff"/>',
    line(scale(1), MARGIN - 6, height - MARGIN, COLOURS.grid, 'stroke-dasharray="4 3"'),
    text(scale(1), MARGIN - 12, 'the same', 'text-anchor="middle" fill="#777"'),
    ...ratios.map((row, n) => drawRow(row, MARGIN + n * ROW_HEIGHT, scale)),
    text(
      LABELS_WIDTH,
      height - 8,
      'bar: median of the pairs · thin line: minimum to maximum · black: goal',
      'fill="#777"',
    ),
    '</svg>',
    '',
  ].join('\n');
}

function drawRow(row: RatioRow, top: number, scale: Scale): string {
  const { median, min, max } = row.comparison.value;
  const middle = top + ROW_HEIGHT / 2;
  const colour = COLOURS[({ true: 'met', false: 'missed', undefined: 'none' } as const)[`${isMet(row)}`]];
  const goal = bound(row.goal);
  return [
    text(LABELS_WIDTH - 10, middle - 2, row.measure, 'text-anchor="end"'),
    text(LABELS_WIDTH - 10, middle + 12, `against ${row.against?.name ?? ''}`, 'text-anchor="end" fill="#777"'),
    `<rect x="${LABELS_WIDTH}" y="${top + 8}" width="${round(scale(median) - LABELS_WIDTH)}" height="18" fill="${colour}"/>`,
    `<path d="M${round(scale(min))} ${middle}H${round(scale(max))}" stroke="#000" stroke-opacity="0.5"/>`,
    ...(goal === undefined ? [] : [line(scale(goal), top + 4, top + ROW_HEIGHT - 4, COLOURS.goal, 'stroke-width="2"')]),
    text(Math.max(scale(max), scale(goal ?? 0)) + 6, middle + 4, `${Number(median.toPrecision(3))} ×`, ''),
  ].join('\n');
}

function bound(goal: Goal | undefined): number | undefined {
  if (!goal) return undefined;
  return 'atLeast' in goal ? goal.atLeast : goal.atMost;
}

function line(x: number, from: number, to: number, colour: string, more: string): string {
  return `<path d="M${round(x)} ${from}V${to}" stroke="${colour}" ${more}/>`;
}

function text(x: number, y: number, content: string, more: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${y}" ${more}>${escaped}</text>`;
}

function round(length: number): number {
  return Math.round(length * 10) / 10;
}
