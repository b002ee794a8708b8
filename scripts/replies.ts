/** Writes docs/replies.md from the tables of faults. With `--check` it only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { ENTRA_TABLE } from '../src/core/replies/entra-table.ts';
import type { Fault } from '../src/core/replies/classification.ts';
import { NETWORK_TABLE } from '../src/core/replies/network-table.ts';
import { REPLY_TABLE } from '../src/core/replies/reply-table.ts';

const FILE = new URL('../docs/replies.md', import.meta.url);

const HEAD = `# Replies and errors, and what to do

Generated from the tables in \`src/core/replies\`: change them, then run \`npm run openapi\`. The same explanations appear
in the status of a message, in the log, in \`GET /mailboxes\` and in the doctor.

| action   | what relay365 does                                                                             |
| -------- | ---------------------------------------------------------------------------------------------- |
| retry    | tries the message again (\`RETRY_DELAYS_SECONDS\`) until it expires                              |
| fail     | marks the message, or this recipient, as failed                                                |
| hold     | holds the mailbox: its messages wait and lose no attempt; relay365 tries the mailbox by itself |
| throttle | slows the mailbox down, then speeds it up again step by step                                   |

An unknown reply is classified by its class: 4xx is tried again. 5xx fails the message, or holds the mailbox if it came
before MAIL FROM. It is logged as new: please report it.
`;

const wanted = [
  HEAD,
  section('Replies of Exchange Online', REPLY_TABLE),
  section('Errors of Entra', ENTRA_TABLE),
  section('Network failures', NETWORK_TABLE),
].join('\n');

if (!process.argv.includes('--check')) {
  writeFileSync(FILE, wanted);
  process.stdout.write('docs/replies.md written\n');
} else if (readFileSync(FILE, 'utf8') !== wanted) {
  process.stderr.write('docs/replies.md differs from the tables. Run `npm run openapi` and commit the file.\n');
  process.exitCode = 1;
}

function section(title: string, faults: readonly Fault[]): string {
  return `## ${title}\n\n${faults.map(entry).join('\n')}`;
}

function entry({ id, looks, scope, action, explanation, fix, source }: Fault): string {
  const lines = [
    `### ${id}`,
    '',
    `\`${looks}\``,
    '',
    `**Whose fault:** ${scope} · **Action:** ${action}`,
    '',
    plain(explanation),
    ...(fix ? ['', `**What to do:** ${plain(fix)}`] : []),
    '',
    `Source: ${source}`,
    '',
  ];
  return lines.join('\n');
}

/** Keeps placeholders such as <mailbox> from being read as HTML. */
function plain(text: string): string {
  return text.replaceAll('<', '\\<');
}
