/**
 * The encryption of bodies in Redis: AES-256-GCM, bound to the message's id and recipients, so that whoever has Redis or
 * its files, and no key, can't read a body, change it unseen, put it in the place of another one, or have it sent to
 * somebody else.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type Message, recipientsOf } from '../../core/message/message.ts';
import { CorruptRecordError } from './codec.ts';

/** In a list of keys: bodies that are not encrypted. */
const PLAIN = 'plain';

export interface AesKey {
  /** Stands before each body, so that the key is found again. */
  readonly id: string;
  readonly secret: Buffer;
}

export type BodyKey = typeof PLAIN | AesKey;

/** What a body belongs to. */
export type Owner = Pick<Message, 'id' | 'to' | 'cc' | 'bcc' | 'envelopeTo'>;

export interface BodyCipher {
  /** What is kept in Redis for the body of this message. */
  seal(owner: Owner, body: string | Buffer): string | Buffer;
  /** @throws CorruptRecordError when it can't be read with these keys. */
  open(owner: Owner, kept: Buffer): Buffer;
}

const ALGORITHM = 'aes-256-gcm';
/** Drawn by chance: NIST SP 800-38D allows 2^32 bodies with one key then, some hundred years at a thousand a minute. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** `aes:KEY:`, then nonce, tag and what was encrypted. No body in the clear begins so: see codec.ts. */
const HEAD = /^aes:([\w.-]{1,64}):/;
const HEAD_BYTES_MAX = 70;

/** The first key encrypts, all of them decrypt. Without any, bodies are kept as they are. */
export function makeBodyCipher(keys: readonly BodyKey[]): BodyCipher {
  const [first = PLAIN] = keys;
  const isPlainTaken = first === PLAIN || keys.includes(PLAIN);
  const aesKeys = keys.filter((key) => key !== PLAIN);
  return {
    seal: (owner, body) => (first === PLAIN ? body : seal(first, owner, body)),
    open: (owner, kept) => {
      const id = HEAD.exec(kept.toString('latin1', 0, HEAD_BYTES_MAX))?.[1];
      if (id !== undefined) return open(findKey(aesKeys, id), owner, kept);
      if (isPlainTaken) return kept;
      throw new CorruptRecordError(`It is not encrypted, and "${PLAIN}" is not in BODY_KEYS.`);
    },
  };
}

function findKey(keys: readonly AesKey[], id: string): AesKey {
  const found = keys.find((key) => key.id === id);
  if (found) return found;
  throw new CorruptRecordError(`It is encrypted with the key ${id}, which is not in BODY_KEYS.`);
}

function seal({ id, secret }: AesKey, owner: Owner, body: string | Buffer): Buffer {
  const head = headOf(id);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(boundTo(head, owner));
  const encrypted = [typeof body === 'string' ? cipher.update(body, 'utf8') : cipher.update(body), cipher.final()];
  return Buffer.concat([head, nonce, cipher.getAuthTag(), ...encrypted]);
}

function open({ id, secret }: AesKey, owner: Owner, kept: Buffer): Buffer {
  const head = headOf(id);
  const [nonce, tag, encrypted] = cut(kept.subarray(head.length));
  try {
    const decipher = createDecipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(boundTo(head, owner));
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(encrypted), decipher.final()]);
  } catch (cause) {
    const message = `It or its recipients were changed, or it is another message's, or BODY_KEYS has another key under the name ${id}.`;
    throw new CorruptRecordError(message, { cause });
  }
}

function headOf(id: string): Buffer {
  return Buffer.from(`aes:${id}:`);
}

/** What is authenticated along with the body. */
function boundTo(head: Buffer, owner: Owner): Buffer {
  return Buffer.concat([head, Buffer.from(JSON.stringify([owner.id, ...recipientsOf(owner)]))]);
}

function cut(sealed: Buffer): [nonce: Buffer, tag: Buffer, encrypted: Buffer] {
  const tagEnd = NONCE_BYTES + TAG_BYTES;
  return [sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES, tagEnd), sealed.subarray(tagEnd)];
}
