/** Takes SMTP command lines apart (RFC 5321 4.1.1, with the parameters of SIZE, DSN, 8BITMIME and SMTPUTF8). */

export interface Command {
  /** In upper case. */
  readonly verb: string;
  readonly rest: string;
}

/** A MAIL or RCPT command's address and parameters, the latter by their names in upper case. */
export interface PathCommand {
  readonly address: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export type ReadPath =
  | { readonly kind: 'path'; readonly path: PathCommand }
  | { readonly kind: 'no-command' | 'bad-address' };

/** Longest first: `<`, perhaps a source route, local part (perhaps quoted), `@domain`, `>`; or the null path. */
const ADDRESS = /^<(?:@[^:>]*:)?((?:"(?:[^"\\]|\\.)*"|[^\s<>"@]+)@[^\s<>@]+)?>(?:\s+(.*))?$/;

export function readCommand(line: string): Command {
  const [, verb = '', rest = ''] = /^\s*(\S*)\s*(.*?)\s*$/s.exec(line) ?? [];
  return { verb: verb.toUpperCase(), rest };
}

/** Reads `FROM:<…> …` or `TO:<…> …`. An address without its angle brackets is refused, as Exchange refuses it. */
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
