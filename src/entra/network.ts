/**
 * The network module that MSAL uses for requests to Entra. MSAL reports little about a failed request
 * ("endpoints_resolution_error"), so this keeps the cause for people to read. It also limits the time of each request.
 */
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node';
import { causeOf, codeOf, messageOf } from '../lib/errors.ts';

/** Why a request failed. */
export interface NetworkFailure {
  readonly message: string;
  /** The system's or OpenSSL's name for it. */
  readonly code?: string;
}

export interface Network extends INetworkModule {
  /** The last failure since the previous call. */
  takeFailure(): NetworkFailure | undefined;
}

/** A token has a few kilobytes. */
const ANSWER_BYTES_MAX = 1024 ** 2;
const NOT_ENTRA = "the answer is not Entra's: it comes from a proxy or a captive portal";
/** Its code in the tables of src/core/replies. */
const NOT_ENTRA_CODE = 'not_entra';

export function openNetwork(timeoutMs: number): Network {
  let lastFailure: NetworkFailure | undefined;
  const request = async <T>(url: string, init: RequestInit): Promise<NetworkResponse<T>> => {
    try {
      // A request contains a secret or an assertion, so it must not follow a redirect.
      const response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) });
      if (response.status >= 300 && response.status < 400) throw new Error(NOT_ENTRA);
      const body = readJson<T>(await readText(response));
      return { headers: Object.fromEntries(response.headers), body, status: response.status };
    } catch (error) {
      lastFailure = describe(new URL(url).origin, error);
      throw error;
    }
  };
  return {
    sendGetRequestAsync: (url, options) => request(url, { headers: headersOf(options) }),
    sendPostRequestAsync: (url, options) =>
      request(url, { method: 'POST', headers: headersOf(options), body: options?.body ?? '' }),
    takeFailure: () => {
      const failure = lastFailure;
      lastFailure = undefined;
      return failure;
    },
  };
}

function headersOf(options: NetworkRequestOptions | undefined): Record<string, string> {
  return options?.headers ?? {};
}

async function readText({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body ?? []) {
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(NOT_ENTRA);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function readJson<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(NOT_ENTRA, { cause: error });
  }
}

/** `fetch` only says "fetch failed"; the real failure is its cause. */
function describe(origin: string, error: unknown): NetworkFailure {
  const message = messageOf(error);
  if (message === NOT_ENTRA) return { message: `${origin}: ${message}`, code: NOT_ENTRA_CODE };
  if (error instanceof Error && error.name === 'TimeoutError')
    return { message: `${origin} did not answer in time`, code: 'ETIMEDOUT' };
  const cause = causeOf(error);
  const code = codeOf(cause);
  if (code === undefined) return { message: `${origin}: ${message}` };
  return { message: `${origin} is not reachable: ${messageOf(cause) || code}`, code };
}
