/** Compiles the schemas of answers, each of them once: the routes share most, above all the problem document. */
import fastJsonStringify from 'fast-json-stringify';
import type { FastifySerializerCompiler } from 'fastify';

type Serialize = ReturnType<FastifySerializerCompiler<object>>;

const compiled = new WeakMap<object, Serialize>();

export const compileSerializer: FastifySerializerCompiler<object> = ({ schema }) => {
  const known = compiled.get(schema);
  if (known) return known;
  const serialize = fastJsonStringify(schema);
  compiled.set(schema, serialize);
  return serialize;
};
