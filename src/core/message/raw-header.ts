/** The header of a raw message (RFC 5322 2.2): reads its fields, and adds, removes and joins them in the bytes. */
import { FieldErrors } from './field-errors.ts';

/** A field of the header, with the position of its lines. */
export interface HeaderField {
  readonly name: string;
  /** Unfolded. */
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

const HEADER_BYTES_MAX = 1024 ** 2;
const FIELD = /^([!-9;-~]+)[ \t]*:(.*)$/s;

/** The fields up to the empty line; `end` is 0 without fields. */
export function readHeader(
  bytes: Buffer,
  errors = new FieldErrors(),
): { readonly fields: readonly HeaderField[]; readonly end: number } {
  const empty = bytes.subarray(0, 2).toString('latin1') === '\r\n' ? -2 : bytes.indexOf('\r\n\r\n');
  const end = empty < 0 ? (empty === -2 ? 0 : bytes.length) : empty + 2;
  if (end > HEADER_BYTES_MAX) {
    errors.add('body', `The header is larger than ${HEADER_BYTES_MAX} bytes.`);
    return { fields: [], end };
  }
  const fields: HeaderField[] = [];
  for (let start = 0; start < end; ) {
    const next = endOfField(bytes, start, end);
    const lines = bytes.subarray(start, next).toString('utf8');
    const [, name, value] = FIELD.exec(lines.replace(/\r\n$/, '')) ?? [];
    if (name === undefined || value === undefined)
      errors.add('body', `The header has a line that is not a field: ${JSON.stringify(lines.slice(0, 60))}.`);
    else fields.push({ name: name.toLowerCase(), value: unfold(value), start, end: next });
    start = next;
  }
  return { fields: fields, end: fields.length === 0 ? 0 : end };
}

/** A line that begins with white space continues a field. RFC 5322 2.2.3 */
function endOfField(bytes: Buffer, start: number, end: number): number {
  let next = bytes.indexOf('\r\n', start) + 2;
  while (next > 1 && next < end && (bytes[next] === 0x20 || bytes[next] === 0x09))
    next = bytes.indexOf('\r\n', next) + 2;
  return next > 1 ? Math.min(next, end) : end;
}

function unfold(value: string): string {
  return value.replace(/\r\n(?=[ \t])/g, '').trim();
}

/** The message with these fields before its own; `lines` have no line ends. */
export function withFields(bytes: Buffer, lines: readonly string[]): Buffer {
  return lines.length === 0 ? bytes : Buffer.concat([Buffer.from(lines.map((line) => `${line}\r\n`).join('')), bytes]);
}

/** The message without these fields. */
export function without(bytes: Buffer, fields: readonly HeaderField[]): Buffer {
  if (fields.length === 0) return bytes;
  const parts: Buffer[] = [];
  let from = 0;
  for (const { start, end } of fields) {
    parts.push(bytes.subarray(from, start));
    from = end;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

/** The message with several fields of this name joined: RFC 5322 3.6 allows one, and programs read only one. */
export function withJoined(bytes: Buffer, fields: readonly HeaderField[], name: string): Buffer {
  const several = fields.filter((field) => field.name === name);
  const values = several.map((field) => listOf(bytes, field)).filter(Boolean);
  const line = `${titled(name)}: ${values.join(',\r\n ')}\r\n`;
  return Buffer.concat([Buffer.from(line, 'latin1'), without(bytes, several)]);
}

/** The list of a field, folded and not decoded, without a comma at its end. */
function listOf(bytes: Buffer, { start, end }: HeaderField): string {
  const field = bytes.toString('latin1', start, end);
  const list = trimmed(field.slice(field.indexOf(':') + 1));
  return list.endsWith(',') ? list.slice(0, -1) : list;
}

/** `trim` would also remove 0xa0, the last byte of letters like "à" in UTF-8. */
function trimmed(latin1: string): string {
  let end = latin1.length;
  while (end > 0 && ' \t\r\n'.includes(latin1.charAt(end - 1))) end -= 1;
  return latin1.slice(0, end).replace(/^[ \t\r\n]+/, '');
}

export function titled(name: string): string {
  return name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
}
