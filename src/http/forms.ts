/**
 * Mails as forms: `curl -F to=… -F attachments=@file`. Files are counted while they stream in, so that one that is too
 * large is refused before it is whole.
 */
import multipart, { type MultipartFile, type MultipartValue } from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { FieldErrors } from '../core/field-errors.ts';
import { RequestError } from './problems.ts';

/** Fields that may come several times: each is one more in the list. */
const LISTS: readonly string[] = ['to', 'cc', 'bcc', 'replyTo'];
/** Fields that are objects: given as JSON. */
const OBJECTS: readonly string[] = ['headers', 'metadata', 'calendar'];
const ATTACHMENTS = 'attachments';
const INLINE = 'inline';
const PARTS_MAX = 1_000;
const FIELD_NAME_BYTES_MAX = 100;
/** What a program says of a file that it knows nothing about. */
const NO_TYPE = 'application/octet-stream';

interface FormFile {
  readonly filename: string;
  readonly content: string;
  readonly contentType?: string;
  readonly contentId?: string;
}

/** To be called in the context of the routes that read forms. */
export function readForms(app: FastifyInstance, bytesMax: number): void {
  app.register(multipart, {
    throwFileSizeLimit: false,
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

/**
 * The form as a mail in JSON would be; its shape is not checked yet.
 * @throws RequestError when it is too large, or no form.
 */
export async function readForm(request: FastifyRequest, bytesMax: number): Promise<Record<string, unknown>> {
  const errors = new FieldErrors();
  const draft: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  const files: FormFile[] = [];
  const budget = { left: bytesMax };
  for await (const part of partsOf(request)) {
    if (part.type === 'file') files.push(await readFile(part, budget, errors));
    else addField(draft, part as MultipartValue<string>, errors);
    if (budget.left < 0) throw tooLarge(bytesMax);
  }
  if (errors.all.length > 0) throw new RequestError('invalid-message', { errors: errors.all });
  return { ...draft, ...(files.length > 0 && { [ATTACHMENTS]: files }) };
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
  return new RequestError('malformed-request', { detail: `The form can't be read: ${message}` }, { cause });
}

function addField(
  draft: Record<string, unknown>,
  { fieldname, value, valueTruncated }: MultipartValue<string> & { valueTruncated?: boolean },
  errors: FieldErrors,
): void {
  const before = draft[fieldname];
  if (valueTruncated) errors.add(fieldname, 'Is too long.');
  if (OBJECTS.includes(fieldname)) draft[fieldname] = readJson(fieldname, value, errors);
  else if (before === undefined) draft[fieldname] = value;
  else if (LISTS.includes(fieldname)) draft[fieldname] = [before, value].flat();
  else errors.add(fieldname, 'Is given more than once.');
}

function readJson(field: string, text: string, errors: FieldErrors): unknown {
  try {
    return JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value));
  } catch (error) {
    errors.add(field, `Give an object as JSON: ${(error as Error).message}`);
    return undefined;
  }
}

async function readFile(part: MultipartFile, budget: { left: number }, errors: FieldErrors): Promise<FormFile> {
  const chunks: Buffer[] = [];
  for await (const chunk of part.file as AsyncIterable<Buffer>) {
    budget.left -= chunk.length;
    // What is over the budget is read to its end, for the client to hear the answer, and not kept.
    if (budget.left >= 0) chunks.push(chunk);
  }
  if (part.file.truncated) budget.left = -1;
  const { fieldname, filename, mimetype } = part;
  if (fieldname !== ATTACHMENTS && fieldname !== INLINE) {
    errors.add(fieldname, `A file: send files as ${ATTACHMENTS}, or as ${INLINE} for images of the html.`);
  }
  return {
    filename,
    content: Buffer.concat(chunks).toString('base64'),
    ...(mimetype !== NO_TYPE && { contentType: mimetype }),
    ...(fieldname === INLINE && { contentId: filename }),
  };
}

function tooLarge(sizeBytesMax: number): RequestError {
  const detail = `The files have more than the ${sizeBytesMax} bytes that any mailbox could send.`;
  return new RequestError('body-too-large', { detail, sizeBytesMax });
}
