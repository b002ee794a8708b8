/** A diagnosis for the terminal: a line for each step, and under it what was seen, what it means and what to do. */
import { styleText } from 'node:util';
import { type Diagnosis, STEP_TITLES, type Step, type StepStatus } from '../core/admin/diagnosis.ts';

const MARKS = {
  ok: ['ok', 'green'],
  warning: ['warning', 'yellow'],
  failed: ['FAILED', 'red'],
  skipped: ['skipped', 'gray'],
} as const satisfies Readonly<Record<StepStatus, readonly [string, string]>>;

const MARK_WIDTH = 9;
const INDENT = ' '.repeat(MARK_WIDTH);

/** The text, without colours if `stream` is not a terminal or NO_COLOR is set. */
export function diagnosisText({ mailbox, ok, steps }: Diagnosis, stream: NodeJS.WritableStream): string {
  const count = steps.filter(({ status }) => status === 'failed').length;
  const summary = ok
    ? 'Everything works: messages can be sent.'
    : `${count === 1 ? '1 step' : `${count} steps`} failed. Fix the first one, then run the doctor again.`;
  return `${[mailbox, ...steps.map((step) => stepText(step, stream)), summary].join('\n\n')}\n`;
}

function stepText({ id, status, seen, meaning, fix }: Step, stream: NodeJS.WritableStream): string {
  const [mark, colour] = MARKS[status];
  const first = `${styleText(colour, mark.padEnd(MARK_WIDTH), { stream })}${STEP_TITLES[id]}`;
  const lines = [seen, meaning, fix && `What to do: ${fix}`].filter((line) => line !== undefined);
  return [first, ...lines.map((line) => `${INDENT}${line.replaceAll('\n', `\n${INDENT}`)}`)].join('\n');
}
