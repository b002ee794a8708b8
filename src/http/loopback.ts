/**
 * Without API keys only this machine is served, and not what a browser on it was talked into by another site: a name
 * that was rebound to 127.0.0.1 is known by its Host, a page of another origin by the headers that browsers set.
 */
import type { IncomingMessage } from 'node:http';
import { isLoopbackAddress } from '../core/submit/api-key.ts';

const REMEDY = 'Set API_KEYS to serve others.';

/** Why a request is not from a program or page of this machine; undefined when it is. */
export function localProblem({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>): string | undefined {
  const { host = '', origin, 'sec-fetch-site': site } = headers;
  if (!isLoopbackAddress(socket.remoteAddress ?? '')) return `The request comes from another machine. ${REMEDY}`;
  if (!isLoopbackHost(host)) return `The request is for a host other than localhost. ${REMEDY}`;
  if (origin !== undefined && !isOwnOrigin(origin, host))
    return `The request comes from a page of another origin. ${REMEDY}`;
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return `The request comes from a page of another site. ${REMEDY}`;
  return undefined;
}

function isLoopbackHost(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host);
}

function isOwnOrigin(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}
