/**
 * Finds forms of English that must be read twice, and words that were replaced by the field's own. The lists and the
 * files are in plain-english.json and retired-words.json. Prints each with its line and exits with 1. Files as arguments
 * replace those of the lists.
 */
import { globSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Rules {
  readonly files: readonly string[];
  /** Globs of files that are not checked. */
  readonly except: readonly string[];
  /** `form` is a regular expression; its spaces match line breaks and comment marks, too. */
  readonly forms: readonly { readonly form: string; readonly instead: string }[];
}

interface Retired {
  readonly files: readonly string[];
  readonly except: readonly string[];
  /** Texts that keep an old word, such as names of Redis keys and metrics. */
  readonly keep: readonly string[];
  readonly words: readonly RetiredWord[];
}

interface RetiredWord {
  readonly word: string;
  readonly instead: string;
}

interface Check {
  readonly pattern: RegExp;
  readonly instead: string;
}

interface Finding {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly instead: string;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Between two words: a space, or a line break with the mark of a comment, a list or a quotation. */
const GAP = String.raw`(?: |\s*\n\s*(?:\*|//|#|>|--)?\s*)`;

const rules = readList<Rules>('plain-english.json');
const retired = readList<Retired>('retired-words.json');
const forms = rules.forms.map(({ form, instead }) => ({ pattern: patternOf(form), instead }));
const words = retired.words.map(({ word, instead }) => ({ pattern: wordPattern(word), instead }));

const given = process.argv.slice(2);
const findings = [
  ...filesOf(rules).flatMap((file) => search(file, textOf(file), forms)),
  ...filesOf(retired).flatMap((file) => search(file, without(retired.keep, textOf(file)), words)),
].sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);

process.stdout.write(
  findings.map(({ file, line, text, instead }) => `${file}:${line}: "${text}": write ${instead}\n`).join(''),
);
if (findings.length > 0) process.exitCode = 1;

function readList<List>(file: string): List {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as List;
}

function filesOf({ files, except }: Pick<Rules, 'files' | 'except'>): readonly string[] {
  const exclude = ['**/node_modules/**', ...except];
  return given.length > 0 ? given : globSync(files, { cwd: ROOT, exclude });
}

/** A file's text; in Markdown code and link targets are blank, for they quote what is written elsewhere. */
function textOf(file: string): string {
  const text = readFileSync(given.length > 0 ? file : `${ROOT}/${file}`, 'utf8');
  if (extname(file) !== '.md') return text;
  return text.replace(/^```[\s\S]*?^```$|`[^`\n]*`|\]\([^()\s]+\)/gm, blank);
}

function without(kept: readonly string[], text: string): string {
  return kept.reduce((rest, name) => rest.replaceAll(name, blank), text);
}

/** As many characters and lines as before. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

function search(file: string, text: string, checks: readonly Check[]): Finding[] {
  return checks.flatMap(({ pattern, instead }) =>
    [...text.matchAll(pattern)].map(({ 0: found, index }) => ({
      file,
      line: text.slice(0, index).split('\n').length,
      text: found.replace(/\s*\n[\s*/#>-]*/g, ' ').trim(),
      instead,
    })),
  );
}

function patternOf(form: string): RegExp {
  return new RegExp(String.raw`\b(?:${form.replaceAll(' ', GAP)})\b`, 'gi');
}

/** The word and its plural, also as a part of an identifier: ticket, Tickets, retryTicket, TICKET_LOCK. */
function wordPattern(word: string): RegExp {
  const capital = word[0]?.toUpperCase() + word.slice(1);
  const small = `(?<![A-Za-z])${word}(?:e?s)?(?![a-z])`;
  const upper = `(?<![A-Z])${word.toUpperCase()}(?:E?S)?(?![A-Z])`;
  return new RegExp(`${small}|${capital}(?:e?s)?(?![a-z])|${upper}`, 'g');
}
