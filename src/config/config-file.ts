/** Reads relay365.yaml; each fault names its line and field. */
import { Compile } from 'typebox/compile';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { addressKey } from '../core/message/address.ts';
import { didYouMean } from '../lib/did-you-mean.ts';
import type { Fault } from './fault.ts';
import { type FileConfig, FileSchema, PATTERN_WORDS } from './file-schema.ts';

export type FieldPath = readonly (string | number)[];

export interface ConfigFile {
  readonly content: FileConfig;
  /** `relay365.yaml:12 mailboxes[0].address` */
  readonly place: (path: FieldPath) => string;
}

/** No tags: they would turn a value into something that no schema knows. Only our own words report faults. */
const PLAIN_YAML = { resolveKnownTags: false, prettyErrors: false, logLevel: 'error' } as const;

const validator = Compile(FileSchema);

/** The file's content, empty where it has faults. */
export function readConfigFile(name: string, text: string): { readonly file: ConfigFile; readonly faults: Fault[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { ...PLAIN_YAML, lineCounter: lines });
  const place = (path: FieldPath) => `${name}:${lineOf(document, lines, path)} ${formatPath(path)}`.trim();
  const faults = [...document.errors, ...document.warnings].map(({ message, pos }) => ({
    where: `${name}:${lines.linePos(pos[0]).line}`,
    message,
  }));
  if (faults.length > 0) return { file: { content: {}, place }, faults };
  const content = contentOf(document);
  if (content instanceof Error)
    return { file: { content: {}, place }, faults: [{ where: name, message: content.message }] };
  if (validator.Check(content)) return { file: { content, place }, faults: duplicates(content, place) };
  return { file: { content: {}, place }, faults: schemaFaults(content, place) };
}

/** An alias without its anchor shows only here, and one that would unfold to millions of values. */
function contentOf(document: Document): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    return error;
  }
}

/** Only one of two mailboxes or pools with the same name would count, and it is not clear which. */
function duplicates({ mailboxes = [], pools = [] }: FileConfig, place: ConfigFile['place']): Fault[] {
  const twice = (names: readonly string[], list: string, field: string) =>
    names.flatMap((name, i): Fault[] =>
      names.indexOf(name) < i ? [{ where: place([list, i, field]), message: `${name} is listed twice` }] : [],
    );
  return [
    ...twice(
      mailboxes.map(({ address }) => addressKey(address)),
      'mailboxes',
      'address',
    ),
    ...twice(
      pools.map(({ name }) => name),
      'pools',
      'name',
    ),
  ];
}

function schemaFaults(content: unknown, place: (path: FieldPath) => string): Fault[] {
  return validator.Errors(content).flatMap(({ instancePath, keyword, params, message }): Fault[] => {
    // An unknown field is reported by its object, with all others; here it comes a second time.
    if (keyword === 'boolean') return [];
    const path = instancePath
      .split('/')
      .slice(1)
      .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
    const { additionalProperties, allowedValues, pattern } = params as {
      additionalProperties?: string[];
      allowedValues?: string[];
      pattern?: string | RegExp;
    };
    if (keyword === 'additionalProperties' && additionalProperties) {
      return additionalProperties.map((field) => ({
        where: place([...path, field]),
        message: unknownField(field, fieldsAt(FileSchema as Shape, path)),
      }));
    }
    const words = allowedValues
      ? `must be one of ${allowedValues.join(', ')}`
      : PATTERN_WORDS.get(pattern instanceof RegExp ? pattern.source : (pattern ?? ''));
    return [{ where: place(path), message: words ?? message }];
  });
}

function unknownField(field: string, known: readonly string[]): string {
  const meant = didYouMean(field, known);
  return `is not a field of relay365; ${meant ? `did you mean ${meant}?` : `known are ${known.join(', ')}`}`;
}

/** The part of JSON Schema that the file's schema is written in. */
interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
}

/** The fields of the object at this path. */
function fieldsAt(shape: Shape, path: FieldPath): string[] {
  const inner = path.reduce<Shape | undefined>(
    (at, part) => (typeof part === 'number' ? at?.items : at?.properties?.[part]),
    shape,
  );
  return Object.keys(inner?.properties ?? {});
}

/** The line of the field, or of the nearest one around it that is there. */
function lineOf(document: Document, lines: LineCounter, path: FieldPath): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const node = document.getIn(path.slice(0, depth), true) as { range?: readonly number[] | null } | undefined;
    if (node?.range?.[0] !== undefined) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function formatPath(path: FieldPath): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');
}
