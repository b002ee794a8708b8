/** Reads from Markdown what the tests need of it: blocks of code, links and the anchors that links can point to. */

export interface CodeBlock {
  /** The last heading above it. */
  readonly heading: string;
  /** The word behind the fence: `sh`, `python`. */
  readonly language: string;
  readonly text: string;
}

const FENCE = /^```(\w*)$/;
const HEADING = /^#{1,6} (.+)$/;

export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let heading = '';
  let open: { language: string; lines: string[] } | undefined;
  for (const line of markdown.split('\n')) {
    const language = FENCE.exec(line)?.[1];
    if (open && language === '') {
      blocks.push({ heading, language: open.language, text: open.lines.join('\n') });
      open = undefined;
    } else if (open) open.lines.push(line);
    else if (language !== undefined) open = { language, lines: [] };
    else heading = HEADING.exec(line)?.[1] ?? heading;
  }
  if (open) throw new Error(`The block under "${heading}" is not closed.`);
  return blocks;
}

/** The targets of all links outside of code, in the order of the text. */
export function links(markdown: string): string[] {
  const text = prose(markdown).replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^()\s]+)\)|<(https?:[^<>\s]+)>/g)].map(([, target, bare]) => target ?? bare ?? '');
}

/** The cells of all tables, without their padding. A cell contains `\\|` for a bar. */
export function cells(markdown: string): string[] {
  const rows = prose(markdown)
    .split('\n')
    .map((line) => /^\s*\|(.*)\|\s*$/.exec(line)?.[1]);
  const all = rows.flatMap((row) => row?.split(/(?<!\\)\|/).map((cell) => cell.trim()) ?? []);
  return all.filter((cell) => !/^:?-+:?$/.test(cell));
}

/** The anchors of the headings, as GitHub makes them. */
export function anchors(markdown: string): string[] {
  const headings = prose(markdown)
    .split('\n')
    .map((line) => HEADING.exec(line)?.[1]);
  return headings.filter((heading) => heading !== undefined).map(anchorOf);
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

function prose(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, '');
}
