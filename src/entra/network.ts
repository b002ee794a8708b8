/**
 * MSAL's way to Entra. MSAL tells little of a request that failed ("endpoints_resolution_error"); this keeps what
 * happened, so that a person can be told, and ends each request in time.
 */
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node';

/** Why a request came to nothing. */
export interface NetworkTrouble {
  readonly message: string;
  /** The system's or OpenSSL's name for it. */
  readonly code?: string;
}

export interface Network extends INetworkModule {
  /** What went wrong since it was last asked for. */
  takeTrouble(): NetworkTrouble | undefined;
}

/** A token has some kilobytes. */
const ANSWER_BYTES_MAX = 1024 ** 2;
const NOT_ENTRA = "the answer is not Entra's: a proxy or a captive portal stands in between";
/** Its name in the table of core. */
const NOT_ENTRA_CODE = 'not_entra';

export function openNetwork(timeoutMs: number): Network {
  let trouble: NetworkTrouble | undefined;
  const request = async <T>(url: string, init: RequestInit): Promise<NetworkResponse<T>> => {
    try {
      // A request carries a secret or what proves it: it goes where it was meant to, and nowhere that an answer names.
      const response = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) });
      if (response.status >= 300 && response.status < 400) throw new Error(NOT_ENTRA);
      const body = readJson<T>(await readText(response));
      return { headers: Object.fromEntries(response.headers), body, status: response.status };
    } catch (error) {
      trouble = describe(new URL(url).origin, error);
      throw error;
    }
  };
  return {
    sendGetRequestAsync: (url, options) => request(url, { headers: headersOf(options) }),
    sendPostRequestAsync: (url, options) =>
      request(url, { method: 'POST', headers: headersOf(options), body: options?.body ?? '' }),
    takeTrouble: () => {
      const last = trouble;
      trouble = undefined;
      return last;
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

/** `fetch` says only "fetch failed"; what failed is its cause. */
function describe(origin: string, error: unknown): NetworkTrouble {
  const { message, name, cause } = error as Error;
  if (message === NOT_ENTRA) return { message: `${origin}: ${message}`, code: NOT_ENTRA_CODE };
  if (name === 'TimeoutError') return { message: `${origin} did not answer in time`, code: 'ETIMEDOUT' };
  const { code, message: why } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
  if (code === undefined) return { message: `${origin}: ${message}` };
  return { message: `${origin} can't be reached: ${why || code}`, code };
}
