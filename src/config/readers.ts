/** How the text of a variable is read: each reader knows one kind of value, and what to say about an invalid one. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { CLOUDS, type CloudName } from '../core/mailbox/clouds.ts';
import type { BodyKey } from '../queue/records/body-cipher.ts';

/** Throws an Error whose message says what would be right. */
export type Read<T> = (text: string) => T;

const BODY_KEY_BYTES = 32;
const DELAY_SECONDS_MIN = 0.001;
const DELAY_SECONDS_MAX = 3_650 * 86_400;
const PLAIN = 'plain' satisfies BodyKey;

export function text(value: string): string {
  return value;
}

export function number(min: number, max: number): Read<number> {
  return (value) => {
    const parsed = Number(value);
    if (!/^\d+(\.\d+)?$/.test(value) || parsed < min || parsed > max)
      throw new Error(`must be a number from ${min} to ${max}`);
    return parsed;
  };
}

export function integer(min: number, max: number): Read<number> {
  return (value) => {
    const parsed = Number(value);
    if (!/^\d+$/.test(value) || parsed < min || parsed > max)
      throw new Error(`must be a whole number from ${min} to ${max}`);
    return parsed;
  };
}

export function oneOf(names: readonly string[]): Read<string> {
  return (value) => {
    if (!names.includes(value)) throw new Error(`must be one of ${names.join(', ')}`);
    return value;
  };
}

export function cloud(value: string): CloudName {
  return oneOf(Object.keys(CLOUDS))(value) as CloudName;
}

export function unknownPolicy(value: string): 'retry' | 'hold' {
  return oneOf(['retry', 'hold'])(value) as 'retry' | 'hold';
}

export function managedIdentity(value: string): string {
  if (!/^(system|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12})$/i.test(value))
    throw new Error('must be system, or the client id of a user-assigned identity');
  return value.toLowerCase();
}

export function httpsUrl(value: string): string {
  const url = URL.parse(value);
  if (url?.protocol !== 'https:') throw new Error('must be an https:// URL, such as https://login.microsoftonline.com');
  return value.replace(/\/+$/, '');
}

export function redisUrl(value: string): string {
  const url = URL.parse(value);
  if (!url || !['redis:', 'rediss:', 'unix:'].includes(url.protocol)) {
    throw new Error('must be a redis://, rediss:// or unix: URL, such as redis://localhost:6379');
  }
  return value;
}

export function networks(value: string): readonly string[] {
  const list = value
    .split(',')
    .map((network) => network.trim())
    .filter(Boolean);
  if (!list.every(isNetwork)) throw new Error('must be addresses or networks, such as 10.0.0.7,192.168.0.0/16,::1');
  return list;
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) > 0 && Number(bits) <= (version === 4 ? 32 : 128))
  );
}

export function nodes(value: string): readonly string[] {
  const list = value
    .split(',')
    .map((node) => node.trim())
    .filter(Boolean);
  if (!list.every((node) => /^(\[[\da-f:]+\]|[\w.-]+):\d+$/i.test(node)))
    throw new Error('must be host:port[,host:port]');
  return list;
}

export function apiKeys(value: string): readonly { readonly name: string; readonly secret: string }[] {
  return value
    .split(',')
    .map((pair) => pair.trim())
    .filter(Boolean)
    .map((pair) => {
      const [, name, secret] = /^([\w.-]{1,64}):(\S+)$/.exec(pair) ?? [];
      if (!name || !secret)
        throw new Error('must be name:secret[,name:secret], the name of letters, digits, ".", "_" and "-"');
      return { name, secret };
    });
}

export function bodyKeys(value: string): readonly BodyKey[] {
  const keys = value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
    .map(bodyKey);
  const names = keys.map((key) => (key === PLAIN ? key : key.id));
  if (new Set(names).size < names.length) throw new Error('must have each name only once');
  return keys;
}

function bodyKey(entry: string): BodyKey {
  if (entry === PLAIN) return PLAIN;
  const [, id = '', base64 = ''] = /^([\w.-]{1,64}):(\S+)$/.exec(entry) ?? [];
  const secret = Buffer.from(base64, 'base64');
  // Node skips whatever is not Base64: a mistyped key would be another key.
  if (id === '' || secret.length !== BODY_KEY_BYTES || secret.toString('base64') !== base64) {
    throw new Error(
      `must be name:key[,name:key], each key ${BODY_KEY_BYTES} bytes in Base64 (openssl rand -base64 ${BODY_KEY_BYTES}), or ${PLAIN}`,
    );
  }
  return { id, secret };
}

/** Wider networks contain strangers: trusting them would make an open relay. */
const PREFIX_MIN = { ipv4: 8, ipv6: 16 };
const PREFIX_MAX = { ipv4: 32, ipv6: 128 };

export function trustedNetworks(
  value: string,
): readonly { readonly address: string; readonly prefix: number; readonly key: string }[] {
  return value
    .split(',')
    .map((pair) => pair.trim())
    .filter(Boolean)
    .map((pair) => {
      const [, address = '', digits, key = ''] = /^([\da-f.:]+)(?:\/(\d{1,3}))?=([\w.-]{1,64})$/i.exec(pair) ?? [];
      const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined;
      if (!family) throw new Error('must be cidr=key[,cidr=key], such as 192.168.10.0/24=printer');
      const prefix = digits === undefined ? PREFIX_MAX[family] : Number(digits);
      if (prefix < PREFIX_MIN[family] || prefix > PREFIX_MAX[family])
        throw new Error(
          `must not trust ${pair}: the prefix must be from /${PREFIX_MIN[family]} to /${PREFIX_MAX[family]}`,
        );
      return { address, prefix, key };
    });
}

export function delays(value: string): readonly [number, ...number[]] {
  const seconds = value.split(',').map((delay) => (/^\s*\d+(\.\d+)?\s*$/.test(delay) ? Number(delay) : Number.NaN));
  const [first, ...rest] = seconds;
  if (first === undefined || !seconds.every((delay) => delay >= DELAY_SECONDS_MIN && delay <= DELAY_SECONDS_MAX))
    throw new Error(`must be seconds, such as 30,60,120, each from ${DELAY_SECONDS_MIN} to ${DELAY_SECONDS_MAX}`);
  return [first, ...rest];
}
