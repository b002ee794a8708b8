/**
 * E-mail addresses as people write them, parsed once into a form that is safe to put into an envelope and a header.
 * An `Address` from here holds no control characters, has a local part and a domain within RFC 5321's lengths, and its
 * domain is ASCII (IDNA).
 */
import { domainToASCII } from 'node:url';

/** One mailbox in RFC 5322's sense: an optional display name and an `addr-spec`. */
export interface Address {
  readonly name?: string;
  readonly address: string;
}

/** How an address may be given: `"Name <a@b>"`, `"a@b"` or its parts. */
export type AddressInput = string | { readonly name?: string | undefined; readonly address: string };

export type ParsedAddress =
  | { readonly ok: true; readonly address: Address }
  | { readonly ok: false; readonly problem: string };

/** RFC 5321 4.5.3.1: octets in a local part, in a domain, and in the path around both. */
const LOCAL_PART_BYTES_MAX = 64;
const DOMAIN_BYTES_MAX = 255;
const ADDRESS_BYTES_MAX = 254;
/** A header line may have 998 characters (RFC 5322 2.1.1). */
const NAME_LENGTH_MAX = 320;
/** Longer input is refused unread. */
const INPUT_LENGTH_MAX = 2 * NAME_LENGTH_MAX;
const ENCODED_WORD_BYTES_MAX = 45;

// Control characters, and the line and paragraph separators that some software takes for line ends.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
/** RFC 5322 `dot-atom-text`, with RFC 6532's non-ASCII characters. */
const DOT_ATOM = /^[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+(?:\.[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+)*$/u;
/** RFC 5321 allows angle brackets in quotes, but too many programs take them for the end of a path. */
const QUOTED_LOCAL_PART = /^"(?:[^"\\<>]|\\[^<>])+"$/;
const DOMAIN_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

const SEVERAL = 'contains more than one address; give a list instead';

/**
 * Parses one address. A list in one string (`a@b, c@d`) is refused: a list is given as a list.
 * Source: RFC 5321 4.1.2, RFC 5322 3.4, RFC 6531.
 */
export function parseAddress(input: AddressInput): ParsedAddress {
  if (typeof input !== 'string') return makeAddress(input.name ?? '', input.address.trim());
  const text = input.trim();
  if (text.length > INPUT_LENGTH_MAX) return no(`is longer than ${INPUT_LENGTH_MAX} characters`);
  if (!text.endsWith('>')) return makeAddress('', text);
  const open = text.lastIndexOf('<');
  if (open < 0) return no('has a ">" without a "<"');
  const name = text.slice(0, open).trim();
  if (!isQuoted(name) && /@.*[,;]/s.test(name)) return no(`${SEVERAL}, or put the name in quotes`);
  // A program that reads the first address and one that reads the last must see the same one.
  if (!isQuoted(name) && /[<>]/.test(name)) return no('has "<" or ">" in its name; put the name in quotes');
  return makeAddress(unquote(name), text.slice(open + 1, -1).trim());
}

/** The address as a header field has it: RFC 5322 3.4; a name beyond ASCII as encoded words (RFC 2047), folded. */
export function formatAddress({ name, address }: Address): string {
  return name === undefined ? `<${address}>` : `${isAscii(name) ? quoteName(name) : encodeName(name)} <${address}>`;
}

/**
 * The form by which two addresses are the same mailbox: Exchange ignores case in both parts. Lower-case for ASCII only:
 * U+212A (the Kelvin sign) would become "k", which is another mailbox.
 */
export function addressKey(address: string): string {
  return address.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function makeAddress(rawName: string, addrSpec: string): ParsedAddress {
  const name = rawName.trim();
  if (UNSAFE.test(name) || UNSAFE.test(addrSpec)) return no('contains a line break or another control character');
  if (!name.isWellFormed() || !addrSpec.isWellFormed()) return no('contains half a character (a lone surrogate)');
  // It stands for bytes that were not UTF-8: the intended address is lost.
  if (addrSpec.includes('\ufffd')) return no('has a character that is not UTF-8');
  if (name.length > NAME_LENGTH_MAX) return no(`has a display name of more than ${NAME_LENGTH_MAX} characters`);
  const at = addrSpec.lastIndexOf('@');
  if (at < 1 || at === addrSpec.length - 1) return no(`${quote(addrSpec)} is not an address like name@example.com`);
  const local = addrSpec.slice(0, at);
  const domain = asciiDomain(addrSpec.slice(at + 1));
  const problem =
    localPartProblem(local) ?? (domain ? undefined : `${quote(addrSpec)} has no valid domain after the @`);
  if (problem || !domain) return no(problem ?? 'has no valid domain');
  const address = `${local}@${domain}`;
  if (Buffer.byteLength(address) > ADDRESS_BYTES_MAX) return no(`is longer than ${ADDRESS_BYTES_MAX} bytes (RFC 5321)`);
  return { ok: true, address: name ? { name, address } : { address } };
}

function localPartProblem(local: string): string | undefined {
  if (Buffer.byteLength(local) > LOCAL_PART_BYTES_MAX)
    return `has more than ${LOCAL_PART_BYTES_MAX} bytes before the @`;
  if (DOT_ATOM.test(local) || QUOTED_LOCAL_PART.test(local)) return undefined;
  if (/[,;]/.test(local)) return SEVERAL;
  return `has characters before the @ that RFC 5321 does not allow: ${quote(local)}`;
}

/** The domain in ASCII (`bücher.de` → `xn--bcher-kva.de`); undefined when it is invalid. */
function asciiDomain(domain: string): string | undefined {
  if (domain.length > DOMAIN_BYTES_MAX || /[^\p{L}\p{N}\p{M}.-]/u.test(domain)) return undefined;
  const ascii = domainToASCII(domain);
  const labels = ascii.split('.');
  if (ascii.length > DOMAIN_BYTES_MAX || !labels.every((label) => DOMAIN_LABEL.test(label))) return undefined;
  return ascii;
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

function quoteName(name: string): string {
  return `"${name.replace(/["\\]/g, '\\$&')}"`;
}

/** An encoded word has at most 75 characters, of which 60 are left for Base64; no character is cut apart. */
function encodeName(name: string): string {
  const words: string[] = [''];
  for (const character of name) {
    const last = words.at(-1) ?? '';
    if (Buffer.byteLength(last + character) <= ENCODED_WORD_BYTES_MAX) words[words.length - 1] = last + character;
    else words.push(character);
  }
  return words.map((word) => `=?UTF-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ');
}

function isQuoted(name: string): boolean {
  return name.length > 1 && name.startsWith('"') && name.endsWith('"');
}

function unquote(name: string): string {
  return isQuoted(name) ? name.slice(1, -1).replace(/\\(.)/gs, '$1') : name;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function no(problem: string): ParsedAddress {
  return { ok: false, problem };
}
