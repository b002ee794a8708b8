/**
 * Without API keys only this machine is served, and no requests that another site made a browser on it send: a name that
 * was rebound to 127.0.0.1 shows in Host, a page of another origin in the headers that browsers set.
 */
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../lib/ip.ts';

const REMEDY = 'Set API_KEYS to serve others.';

/** Why a request is not from a program or page of this machine; undefined when it is. */
export function localProblem({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string | undefined {
  const { host = '', origin, 'sec-fetch-site': site } = headers;
  if (!isLoopback(socket.remoteAddress ?? '')) return `The request comes from another machine. ${REMEDY}`;
  if (!isLoopbackHost(host)) return `The request is for a host other than localhost. ${REMEDY}`;
  if (origin !== undefined && !isOwnOrigin(origin, host))
    return `The request comes from a page of another origin. ${REMEDY}`;
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return `The request comes from a page of another site. ${REMEDY}`;
  return undefined;
}

/** A Host header: a name or an address, in brackets when it is IPv6, and a port. */
function isLoopbackHost(host: string): boolean {
  const [, name = '', bracketed = ''] = /^(?:([^:[\]]+)|\[([^[\]]+)\])(?::\d{1,5})?$/.exec(host) ?? [];
  return name.toLowerCase() === 'localhost' || isLoopback(name || bracketed);
}

function isOwnOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}
