/**
 * Checks a request against its schema and says what is wrong with it: every field at once, unknown ones by name. TypeBox
 * decides whether a value fits. The messages are ours, because for a field that may be a string, an object or a list a
 * validator reports all three.
 */
import type { FastifyRequest, FastifySchemaCompiler, FastifyTypeProvider } from 'fastify';
import type { Static, TObject, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Check } from 'typebox/value';
import { type FieldError, FieldErrors } from '../core/message/field-errors.ts';
import { didYouMean } from '../lib/did-you-mean.ts';
import { RequestError } from './problems.ts';

/** The part of JSON Schema that this app's requests are written in. */
interface Shape {
  readonly type?: 'string' | 'array' | 'object';
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Shape[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  /** `false`, or the shape of a map's values. */
  readonly additionalProperties?: false | Shape;
}

/** The field of an error of the whole body. */
const WHOLE_BODY = 'body';

/** Gives a route's handler the types of the schemas that its request has passed: `app.withTypeProvider<SchemaTypes>()`. */
export interface SchemaTypes extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

/** Fastify's validator: a request that does not fit gets a `RequestError` with the errors of all its fields. */
export const compileShape: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const fit = Compile(schema);
  return (value) => (fit.Check(value) ? { value } : { error: misshapen(value, schema as Shape, httpPart) });
};

/** All that is wrong with the shape of a value. */
export function shapeErrors(value: unknown, schema: TSchema): readonly FieldError[] {
  const errors = new FieldErrors();
  check(value, schema as Shape, '', errors);
  return errors.all;
}

/** The same of a request whose route asked Fastify to attach them (`attachValidation`). */
export function attachedErrors({
  validationError: error,
}: Pick<FastifyRequest, 'validationError'>): readonly FieldError[] {
  if (error && !(error instanceof RequestError)) throw error;
  return error?.details.errors ?? [];
}

/** The fields of an object that are known and have their shape. */
export function wellShaped(object: object, { properties }: TObject): Record<string, unknown> {
  const fits = ([name, value]: [string, unknown]): boolean =>
    Object.hasOwn(properties, name) && Check(properties[name] as TSchema, value);
  return Object.fromEntries(Object.entries(object).filter(fits));
}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is object {
  return typeOf(value) === 'object';
}

function misshapen(value: unknown, shape: Shape, httpPart = ''): RequestError {
  const errors = new FieldErrors();
  const root = httpPart === 'querystring' ? '?' : '';
  check(value, shape, root, errors);
  if (errors.all.length === 0) errors.add(root || WHOLE_BODY, 'Does not match the documented schema.');
  return new RequestError('invalid-message', { errors: errors.all });
}

function check(value: unknown, shape: Shape, field: string, errors: FieldErrors): void {
  const branch = branches(shape).find(({ type, enum: allowed }) =>
    allowed ? allowed.includes(value as string) : type === typeOf(value),
  );
  if (!branch) errors.add(field || WHOLE_BODY, `Must be ${wanted(shape)}, not ${shown(value, field)}.`);
  else if (branch.type === 'object') checkObject(value as Record<string, unknown>, branch, field, errors);
  else if (branch.items) checkList(value as readonly unknown[], branch.items, field, errors);
}

function checkList(list: readonly unknown[], items: Shape, field: string, errors: FieldErrors): void {
  for (const [index, item] of list.entries()) {
    if (errors.isFull) return;
    check(item, items, `${field}[${index}]`, errors);
  }
}

function checkObject(object: Record<string, unknown>, shape: Shape, field: string, errors: FieldErrors): void {
  const { properties = {}, required = [], additionalProperties: others } = shape;
  for (const name of required) {
    if (!Object.hasOwn(object, name)) errors.add(join(field, name), 'This field is required.');
  }
  for (const [name, value] of Object.entries(object)) {
    if (errors.isFull) return;
    if (Object.hasOwn(properties, name)) check(value, properties[name] as Shape, join(field, name), errors);
    else if (others) check(value, others, join(field, name), errors);
    else errors.add(join(field, name), unknownField(field, name, Object.keys(properties)));
  }
}

function unknownField(parent: string, name: string, known: readonly string[]): string {
  const [what, where] = parent === '?' ? ['parameter', 'URL'] : ['field', 'object'];
  const meant = didYouMean(name, known);
  if (meant !== undefined) return `Unknown ${what}. Did you mean ${meant}?`;
  if (known.length === 0) return `Unknown ${what}. This ${where} has no ${what}s.`;
  return `Unknown ${what}. Known ${what}s: ${known.join(', ')}.`;
}

function branches(shape: Shape): readonly Shape[] {
  return shape.anyOf?.flatMap(branches) ?? [shape];
}

function wanted(shape: Shape): string {
  return [...new Set(branches(shape).map(words))].join(' or ');
}

function words({ type, enum: allowed, properties = {}, additionalProperties: others }: Shape): string {
  if (allowed) return `one of ${allowed.map((value) => JSON.stringify(value)).join(', ')}`;
  if (type === 'string') return 'a string';
  if (type === 'array') return 'a list';
  return others ? 'an object of strings' : `an object with ${Object.keys(properties).join(', ')}`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  undefined: 'nothing',
};

/** What a value is; a short string is quoted, because it is usually a misspelt choice. */
function shown(value: unknown, field: string): string {
  if (typeof value === 'string' && value.length <= 40) return JSON.stringify(value);
  if (value === null) return field === '' ? 'null' : 'null; leave the field out instead';
  return KINDS[typeOf(value)] ?? 'that';
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value;
}

/** A field's path in the request; a very long name is cut. */
function join(field: string, name: string): string {
  const short = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  return field === '' || field === '?' ? `${field}${short}` : `${field}.${short}`;
}
