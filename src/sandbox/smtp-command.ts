/** Parses SMTP command lines (RFC 5321 4.1.1, with the parameters of SIZE, DSN, 8BITMIME and SMTPUTF8). */

export interface Command {
  /** In upper case. */
  readonly verb: string;
  readonly rest: string;
}

/** The address of a MAIL or RCPT command, and its parameters by their names in upper case. */
export interface PathCommand {
  readonly address: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export type ReadPath =
  | { readonly kind: 'path'; readonly path: PathCommand }
  | { readonly kind: 'no-command' | 'bad-address' };

/** `<`, an optional source route, the local part (may be quoted), `@domain`, `>`; or the null path `<>`. */
const ADDRESS = /^<(?:@[^:>]*:)?((?:"(?:[^"\\]|\\.)*"|[^\s<>"@]+)@[^\s<>@]+)?>(?:\s+(.*))?$/;

export function readCommand(line: string): Command {
  const [, verb = '', rest = ''] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line) ?? [];
  return { verb: verb.toUpperCase(), rest };
}

/** Parses `FROM:<…> …` or `TO:<…> …`. Like Exchange, it refuses an address without angle brackets. */
export function readPath(rest: string, keyword: 'FROM' | 'TO'): ReadPath {
  const prefix = new RegExp(`^${keyword}\\s*:\\s*`, 'i').exec(rest)?.[0];
  if (prefix === undefined) return { kind: 'no-command' };
  const found = ADDRESS.exec(rest.slice(prefix.length));
  if (!found || (keyword === 'TO' && found[1] === undefined)) return { kind: 'bad-address' };
  return { kind: 'path', path: { address: found[1] ?? '', parameters: readParameters(found[2] ?? '') } };
}

function readParameters(text: string): Map<string, string> {
  const words = text.split(/\s+/).filter((word) => word !== '');
  return new Map(
    words.map((word) => {
      const [name = '', ...value] = word.split('=');
      return [name.toUpperCase(), value.join('=')];
    }),
  );
}
