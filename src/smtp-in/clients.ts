/** Identifies a client: by its login, by its network, or, when no key is configured, as this machine. */
import type { SMTPServerSession } from 'smtp-server';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { ANYONE, type ApiKey, hasExpired } from '../core/submit/api-key.ts';
import { isLoopback } from '../lib/ip.ts';

/** Clients of these addresses need neither TLS nor a login: they send as this key. */
export interface TrustedNetwork {
  readonly address: string;
  readonly prefix: number;
  /** The name of an API key. */
  readonly key: string;
}

export type SmtpClient = Pick<ApiKey, 'name' | 'scopes'> & Partial<ApiKey>;

export interface Clients {
  /** Who may send in this session, by the current keys; undefined before the login. */
  readonly clientOf: (session: SMTPServerSession) => SmtpClient | undefined;
  readonly isTrusted: (address: string) => boolean;
}

export function openClients(keys: () => readonly ApiKey[], networks: () => readonly TrustedNetwork[]): Clients {
  const keyOfNetwork = openLookup(networks);
  return {
    clientOf: ({ user, remoteAddress }) => {
      const known = keys();
      if (known.length === 0) return isLoopback(remoteAddress) ? ANYONE : undefined;
      if (user !== undefined && user !== false) return known.find((key) => isSame(key, user as SmtpClient));
      const name = keyOfNetwork(remoteAddress);
      return name === undefined ? undefined : known.find((key) => key.name === name && !hasExpired(key));
    },
    isTrusted: (address) => keyOfNetwork(address) !== undefined,
  };
}

/** The key of a session that is open may have been taken back since; who logged in when there was none has no hash. */
function isSame(key: ApiKey, { name, hash }: SmtpClient): boolean {
  return key.name === name && hash !== undefined && key.hash.equals(hash) && !hasExpired(key);
}

/** The lists are made again only for another configuration. */
function openLookup(networks: () => readonly TrustedNetwork[]): (address: string) => string | undefined {
  let known: readonly TrustedNetwork[] = [];
  let lists: readonly { readonly list: BlockList; readonly key: string }[] = [];
  return (address) => {
    // A session has no address until it is greeted.
    if (isIP(address) === 0) return undefined;
    if (networks() !== known) {
      known = networks();
      lists = known.map(({ key, ...network }) => ({ key, list: listOf(network) }));
    }
    return lists.find(({ list }) => list.check(address, familyOf(address)))?.key;
  };
}

function listOf({ address, prefix }: Omit<TrustedNetwork, 'key'>): BlockList {
  const list = new BlockList();
  list.addSubnet(address, prefix, familyOf(address));
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
