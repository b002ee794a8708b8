/** Writes docs/replies.md from the tables of faults; with `--check` it only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { ENTRA_TABLE } from '../src/core/replies/entra-table.ts';
import type { Fault } from '../src/core/replies/classification.ts';
import { NETWORK_TABLE } from '../src/core/replies/network-table.ts';
import { REPLY_TABLE } from '../src/core/replies/reply-table.ts';

const FILE = new URL('../docs/replies.md', import.meta.url);

const HEAD = `# Every "no" and what to do

Made from the tables in \`src/core\`: change them, then run \`npm run openapi\`. The same words stand in the status of a
message, in the log, in \`GET /mailboxes\` and in the doctor.

| action   | what follows                                                                               |
| -------- | ------------------------------------------------------------------------------------------ |
| retry    | the message is tried again (\`RETRY_DELAYS_SECONDS\`) until its time is over                 |
| fail     | the message, or this recipient, has failed                                                 |
| hold     | the mailbox is held: its messages wait, none loses an attempt; it is tried again by itself |
| throttle | the mailbox slows down as a whole, then finds its pace again                               |

A reply that no row knows is judged by its class: 4xx is tried again; 5xx fails the message, or holds the mailbox when it
came before the message was named. It is logged as new: please report it.
`;

const wanted = [
  HEAD,
  section('Replies of Exchange Online', REPLY_TABLE),
  section('Refusals of a token by Entra', ENTRA_TABLE),
  section('Troubles of the network', NETWORK_TABLE),
].join('\n');

if (!process.argv.includes('--check')) {
  writeFileSync(FILE, wanted);
  process.stdout.write('docs/replies.md written\n');
} else if (readFileSync(FILE, 'utf8') !== wanted) {
  process.stderr.write('docs/replies.md is not what the tables say. Run `npm run openapi` and commit the file.\n');
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

/** Placeholders such as <mailbox> are no HTML. */
function plain(text: string): string {
  return text.replaceAll('<', '\\<');
}
