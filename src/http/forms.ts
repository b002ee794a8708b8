/**
 * Messages as forms: `curl -F to=… -F attachments=@file`. Bytes are counted while they stream in, so that a form that is
 * too large is refused before all of it has come.
 */
import multipart, { type MultipartFile, type MultipartValue } from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type FieldError, FieldErrors } from '../core/message/field-errors.ts';
import { boundsProblem } from './json.ts';
import { RequestError } from './problems.ts';
import { hasNoLength } from './inflight-limit.ts';

/** Fields that may be repeated: each adds to the list. */
const LISTS: readonly string[] = ['to', 'cc', 'bcc', 'replyTo'];
/** Fields that are objects, given as JSON. */
const OBJECTS: readonly string[] = ['headers', 'metadata', 'calendar'];
const ATTACHMENTS = 'attachments';
const INLINE = 'inline';
const PARTS_MAX = 1_000;
const FIELD_NAME_BYTES_MAX = 100;
/** The type of a file of unknown content. */
const NO_TYPE = 'application/octet-stream';

interface FormFile {
  readonly filename: string;
  readonly content: string;
  readonly contentType?: string;
  readonly contentId?: string;
}

export interface Form {
  /** As in JSON; their shape is not checked yet. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** What is wrong with the form itself. */
  readonly errors: readonly FieldError[];
}

/** To be called in the context of the routes that read forms. */
export function readForms(app: FastifyInstance, bytesMax: number): void {
  app.register(multipart, {
    throwFileSizeLimit: false,
    // The library would parse a field of JSON without bounds: taken as a file, it is read here.
    isPartAFile: (_field: string | undefined, type = '', filename: string | undefined) =>
      filename !== undefined || type === NO_TYPE || isJson(type),
    limits: {
      fileSize: bytesMax,
      fieldSize: bytesMax,
      fieldNameSize: FIELD_NAME_BYTES_MAX,
      parts: PARTS_MAX,
      fields: PARTS_MAX,
      files: PARTS_MAX,
    },
  });
}

/** @throws RequestError when it is too large, or not a form. */
export async function readForm(request: FastifyRequest, bytesMax: number): Promise<Form> {
  const sizeBytes = Number(request.headers['content-length'] ?? 0);
  if (sizeBytes > bytesMax) throw tooLarge(bytesMax, sizeBytes);
  return Promise.race([readParts(request), overflow(request, bytesMax)]);
}

async function readParts(request: FastifyRequest): Promise<Form> {
  const errors = new FieldErrors();
  const draft: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const files: FormFile[] = [];
  for await (const part of partsOf(request)) {
    if (part.type === 'file' && !isField(part)) files.push(...(await readFile(part, errors)));
    // A browser also sends what was left empty.
    else if (part.type === 'file' || part.value !== '')
      addField(draft, part.fieldname, await readField(part, errors), errors);
  }
  return { fields: { ...draft, ...(files.length > 0 && { [ATTACHMENTS]: files }) }, errors: errors.all };
}

/**
 * Rejects as soon as the limit is exceeded, in fields or files; from then on nothing is kept. The rest is read to its end,
 * because the client reads the answer only then.
 */
function overflow(request: FastifyRequest, bytesMax: number): Promise<never> {
  const { raw } = request;
  const counts = hasNoLength(request);
  return new Promise((_resolve, reject) => {
    let bytes = 0;
    raw.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      try {
        if (bytes > bytesMax) throw tooLarge(bytesMax);
        if (counts) request.holdBytes(chunk.length);
      } catch (error) {
        raw.unpipe();
        raw.resume();
        reject(error);
      }
    });
  });
}

async function* partsOf(request: FastifyRequest): AsyncGenerator<MultipartFile | MultipartValue> {
  try {
    yield* request.parts();
  } catch (error) {
    throw error instanceof RequestError ? error : formProblem(error);
  }
}

const TOO_MUCH = /^FST_(?:(?:FILES|PARTS|FIELDS)_LIMIT|REQ_FILE_TOO_LARGE)/;

function formProblem(cause: unknown): RequestError {
  const { message, code = '' } = cause as Error & { code?: string };
  if (TOO_MUCH.test(code)) return new RequestError('body-too-large', { detail: message }, { cause });
  return new RequestError('malformed-request', { detail: `The form cannot be read: ${message}` }, { cause });
}

function addField(draft: Record<string, unknown>, field: string, value: unknown, errors: FieldErrors): void {
  if (value === undefined) return;
  const before = draft[field];
  if (field === ATTACHMENTS || field === INLINE) {
    errors.add(field, `Expected a file. With curl: -F ${field}=@PATH`);
  } else if (before === undefined) draft[field] = value;
  else if (LISTS.includes(field)) draft[field] = [before, value].flat();
  else errors.add(field, 'Must not be given more than once.');
}

/** Undefined when it cannot be read, which is then an error. */
async function readField(part: MultipartFile | MultipartValue, errors: FieldErrors): Promise<unknown> {
  const { fieldname } = part;
  if (part.type === 'file') return readJson(fieldname, (await readBytes(part)).toString(), errors);
  return OBJECTS.includes(fieldname) ? readJson(fieldname, String(part.value), errors) : part.value;
}

function readJson(field: string, text: string, errors: FieldErrors): unknown {
  const problem = boundsProblem(Buffer.from(text));
  try {
    if (problem === undefined)
      return JSON.parse(text, (key, item: unknown) => (key === '__proto__' ? undefined : item));
    errors.add(field, problem);
  } catch (error) {
    errors.add(field, `Expected an object as JSON: ${(error as Error).message}`);
  }
  return undefined;
}

function isJson(type: string): boolean {
  return type.startsWith('application/json');
}

/** curl sends a field with a type as -F 'metadata={"a":"b"};type=application/json'. */
function isField({ filename, mimetype }: MultipartFile): boolean {
  return filename === undefined && isJson(mimetype);
}

/** The file; nothing when none was chosen in a browser. */
async function readFile(part: MultipartFile, errors: FieldErrors): Promise<readonly FormFile[]> {
  const bytes = await readBytes(part);
  const { fieldname, filename = '', mimetype } = part as MultipartFile & { filename?: string };
  if (filename === '' && bytes.length === 0) return [];
  if (fieldname !== ATTACHMENTS && fieldname !== INLINE) {
    errors.add(fieldname, `Unexpected file. Send files as ${ATTACHMENTS}, or as ${INLINE} for images in the html.`);
  }
  const contentType = mimetype !== NO_TYPE && { contentType: mimetype };
  const contentId = fieldname === INLINE && { contentId: filename };
  return [{ filename, content: bytes.toString('base64'), ...contentType, ...contentId }];
}

/** Fails when the form ends within a file. */
async function readBytes({ file }: MultipartFile): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of file as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    throw formProblem(error);
  }
  return Buffer.concat(chunks);
}

function tooLarge(sizeBytesMax: number, sizeBytes?: number): RequestError {
  const detail = sizeBytes
    ? `The form has ${sizeBytes} bytes. The limit is ${sizeBytesMax} bytes.`
    : `The form exceeds the limit of ${sizeBytesMax} bytes.`;
  return new RequestError('body-too-large', { detail, ...(sizeBytes && { sizeBytes }), sizeBytesMax });
}
