/**
 * Lua scripts, each in a `.lua` file next to what calls it; the functions that they share lie in queue/lua/. A script's
 * header lists its KEYS and ARGV by name, one a line (`name[]` is a list that takes the rest; indented under it are the
 * fields of its items). The script finds them as locals of these names, and its caller passes them by the same names.
 */
import { readFileSync } from 'node:fs';
import type { RedisClient } from './client.ts';

type Value = string | number | Buffer;
type Row = Readonly<Record<string, Value>>;
type Named = Readonly<Record<string, Value | readonly (Value | Row)[]>>;

/** A script's file, and what its header says, as types: the keys and arguments by name, and the answer. */
export interface LuaScript<Keys extends Named, Args extends Named, Answer> {
  readonly file: URL;
  /** What the script and its includes call by name, besides keys and arguments. */
  readonly constants: Readonly<Record<string, string | number>>;
  /** Whether strings in the answer are buffers. */
  readonly isBinary: boolean;
  /** The type of a call; not a value. Only the script's author knows its answer. */
  readonly call?: (call: { readonly keys: Keys; readonly args: Args }) => Promise<Answer>;
}

type Scripts = Readonly<Record<string, LuaScript<never, never, unknown>>>;
export type LuaCalls<S> = {
  readonly [Name in keyof S]: S[Name] extends LuaScript<infer Keys, infer Args, infer Answer>
    ? (call: { readonly keys: Keys; readonly args: Args }) => Promise<Answer>
    : never;
};

/** Nothing is read before the script is defined on a connection. */
export function luaScript<Keys extends Named, Args extends Named, Answer>(
  file: URL,
  { constants = {}, isBinary = false }: Partial<Pick<LuaScript<never, never, never>, 'constants' | 'isBinary'>> = {},
): LuaScript<Keys, Args, Answer> {
  return { file, constants, isBinary };
}

/** Methods that run the scripts by their digest; ioredis loads a script again when Redis has forgotten it. */
export function defineLua<S extends Scripts>(redis: RedisClient, scripts: S): LuaCalls<S> {
  const commands = redis as unknown as Record<string, (...args: readonly Value[]) => Promise<unknown>>;
  const define = ([name, script]: readonly [string, Scripts[string]]) => {
    const { lua, keys: keyFields, args: argFields } = expand(script);
    const command = `relay365_${name}`;
    redis.defineCommand(command, { lua });
    const method = script.isBinary ? `${command}Buffer` : command;
    const run = ({ keys, args }: { keys: Named; args: Named }) => {
      const names = flatten(name, keyFields, keys);
      return commands[method]?.(names.length, ...names, ...flatten(name, argFields, args));
    };
    return [name, run] as const;
  };
  return Object.fromEntries(Object.entries(scripts).map(define)) as unknown as LuaCalls<S>;
}

interface Field {
  readonly name: string;
  /** Of a list: the fields of its items, none when they are plain values. */
  readonly columns?: readonly string[];
}

export interface ExpandedScript {
  readonly lua: string;
  /** Its own file and the included ones. */
  readonly files: readonly URL[];
  readonly keys: readonly Field[];
  readonly args: readonly Field[];
}

const expanded = new Map<string, ExpandedScript>();

/** What Redis runs: constants, included functions, the names of keys and arguments, and the script itself. */
export function expand({ file, constants }: Pick<Scripts[string], 'file' | 'constants'>): ExpandedScript {
  const known = expanded.get(file.href);
  if (known) return known;
  const script = readFileSync(file, 'utf8');
  const included = new Map<string, string>();
  include(script, included);
  const [keys, args] = [readHeader(script, 'KEYS'), readHeader(script, 'ARGV')];
  const text = [...included.values(), namesOf(keys, 'KEYS'), namesOf(args, 'ARGV'), script].join('\n');
  const used = Object.entries(constants).filter(([name]) => new RegExp(`\\b${name}\\b`).test(text));
  const values = used.map(([name, value]) => `local ${name} = ${JSON.stringify(value)}\n`);
  const files = [file, ...[...included.keys()].map(includeFile)];
  const result = { lua: values.join('') + text, files, keys, args };
  expanded.set(file.href, result);
  return result;
}

function includeFile(name: string): URL {
  return new URL(`../lua/${name}.lua`, import.meta.url);
}

/** Adds what a file includes, each once, before what needs it. */
function include(lua: string, included: Map<string, string>): void {
  for (const [, name = ''] of lua.matchAll(/^--- @include "(.+)"$/gm)) {
    if (included.has(name)) continue;
    const text = readFileSync(includeFile(name), 'utf8');
    include(text, included);
    included.set(name, text);
  }
}

function readHeader(lua: string, section: 'KEYS' | 'ARGV'): Field[] {
  const [, lines = ''] = new RegExp(`^-- ${section}\\n((?:--   .*\\n)*)`, 'm').exec(lua) ?? [];
  const fields: { name: string; columns?: string[] }[] = [];
  for (const [, indent = '', name = '', list] of lines.matchAll(/^-- {3}( {2})?(\w+)(\[\])?/gm)) {
    if (indent) fields.at(-1)?.columns?.push(name);
    else fields.push({ name, ...(list && { columns: [] }) });
  }
  return fields;
}

/** Lua that gives the keys or arguments their names. */
function namesOf(fields: readonly Field[], from: 'KEYS' | 'ARGV'): string {
  return fields
    .map(({ name, columns }, i) => {
      if (!columns) return `local ${name} = ${from}[${i + 1}]`;
      const values = columns.map((column, n) => `${column} = ${from}[at + ${n}]`).join(', ');
      const item = columns.length > 0 ? `{${values}}` : `${from}[at]`;
      const step = Math.max(1, columns.length);
      return `local ${name} = {}\nfor at = ${i + 1}, #${from}, ${step} do ${name}[#${name} + 1] = ${item} end`;
    })
    .join('\n');
}

/** In the order of the header. @throws TypeError when one is missing or not known to the script. */
function flatten(script: string, fields: readonly Field[], named: Named): Value[] {
  if (Object.keys(named).length !== fields.length) throw wrongArguments(script, fields, named);
  const read = (row: Named | Row, name: string): Value => {
    const value = row[name];
    if (value === undefined || Array.isArray(value)) throw wrongArguments(script, fields, named);
    return value as Value;
  };
  return fields.flatMap(({ name, columns }) => {
    if (!columns) return [read(named, name)];
    const items = named[name];
    if (!Array.isArray(items)) throw wrongArguments(script, fields, named);
    return (items as (Value | Row)[]).flatMap((item) =>
      columns.length === 0 ? [item as Value] : columns.map((column) => read(item as Row, column)),
    );
  });
}

function wrongArguments(script: string, fields: readonly Field[], named: Named): TypeError {
  const wanted = fields.map(({ name }) => name).join(', ');
  return new TypeError(`${script} takes ${wanted || 'nothing'}; it got ${Object.keys(named).join(', ')}.`);
}
