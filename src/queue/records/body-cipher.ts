/**
 * Encrypts bodies in Redis by AES-256-GCM, bound to the message's id and recipients. Without a key, a person who has Redis
 * or its files cannot read a body, change it unnoticed, swap it with another one, or have it sent to other recipients.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type Message, recipientsOf } from '../../core/message/message.ts';
import { CorruptRecordError } from './codec.ts';

/** In a list of keys: bodies that are not encrypted. */
const PLAIN = 'plain';

export interface AesKey {
  /** Written before each body, so that its key is found again. */
  readonly id: string;
  readonly secret: Buffer;
}

export type BodyKey = typeof PLAIN | AesKey;

/** What a body belongs to. */
export type Owner = Pick<Message, 'id' | 'to' | 'cc' | 'bcc' | 'envelopeTo'>;

export interface BodyCipher {
  /** What is kept in Redis for the body of this message. */
  seal(owner: Owner, body: string | Buffer): string | Buffer;
  /** @throws CorruptRecordError when it cannot be read with these keys. */
  open(owner: Owner, kept: Buffer): Buffer;
}

const ALGORITHM = 'aes-256-gcm';
/** Random: NIST SP 800-38D allows 2^32 bodies with one key then, some hundred years at a thousand a minute. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** `aes:KEY:`, then nonce, tag and the encrypted body. No plain body begins like this: see codec.ts. */
const HEAD = /^aes:([\w.-]{1,64}):/;
const HEAD_BYTES_MAX = 70;

/** The first key encrypts, all of them decrypt. Without a key, bodies are not encrypted. */
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

/** Authenticated together with the body. */
function boundTo(head: Buffer, owner: Owner): Buffer {
  return Buffer.concat([head, Buffer.from(JSON.stringify([owner.id, ...recipientsOf(owner)]))]);
}

function cut(sealed: Buffer): [nonce: Buffer, tag: Buffer, encrypted: Buffer] {
  const tagEnd = NONCE_BYTES + TAG_BYTES;
  return [sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES, tagEnd), sealed.subarray(tagEnd)];
}
