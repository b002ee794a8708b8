/** The HTTP side of the Entra simulator: what each path answers, and how it misbehaves when a script says so. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EntraDirectory } from './entra-directory.ts';
import { entraError, type EntraErrorName, type EntraErrorSubject } from './entra-errors.ts';
import { checkTokenRequest } from './entra-grant.ts';
import type { TokenIssuer } from './entra-tokens.ts';
import { pause, type Script } from './script.ts';

/** How Entra answers once, or `times` times. Without `error`, `garbage` or `drop` it answers correctly, but late. */
export interface EntraRule {
  /** Which requests; default `token`. */
  readonly endpoint?: 'token' | 'discovery';
  readonly error?: EntraErrorName;
  readonly retryAfterSeconds?: number;
  /** An HTML page with status 200, like that of a captive portal. */
  readonly garbage?: true;
  /** The connection is closed without an answer. */
  readonly drop?: true;
  readonly delayMs?: number;
  readonly clientId?: string;
  readonly times?: number;
}

export interface EntraServerParts {
  readonly directory: EntraDirectory;
  readonly script: Script<EntraRule>;
  readonly tokens: TokenIssuer;
  readonly authorityHost: string;
  readonly now: () => number;
}

interface Question {
  readonly endpoint: 'token' | 'discovery';
  readonly tenantId: string;
  readonly form: URLSearchParams;
  readonly correlationId: string;
}

interface Answer {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

const BODY_BYTES_MAX = 64 * 1024;
const GARBAGE = '<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>Welcome</body></html>';

export class EntraServer {
  readonly parts: EntraServerParts;
  requestCount = 0;
  readonly #closing = new AbortController();

  constructor(parts: EntraServerParts) {
    this.parts = parts;
  }

  /** Answers one request; never throws. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const question = await this.#read(request);
      const rule = question && this.#takeRule(question);
      if (rule?.delayMs !== undefined) await pause(rule.delayMs, this.#closing.signal);
      if (rule?.drop) return void request.socket.destroy();
      send(response, question ? await this.#answer(question, rule) : NOT_FOUND);
    } catch {
      // The client disconnected or sent an invalid request, so there is no one to answer.
      request.socket.destroy();
    }
  }

  /** Ends all running delays. */
  close(): void {
    this.#closing.abort();
  }

  async #read(request: IncomingMessage): Promise<Question | undefined> {
    const { pathname } = new URL(request.url ?? '/', this.parts.authorityHost);
    const tenantId = decodeURIComponent(pathname.split('/')[1] ?? '');
    const path = pathname.slice(pathname.indexOf('/', 1));
    const form = new URLSearchParams(await readBody(request));
    const correlationId = form.get('client-request-id') ?? String(request.headers['client-request-id'] ?? randomUUID());
    if (request.method === 'POST' && path === '/oauth2/v2.0/token')
      return { endpoint: 'token', tenantId, form, correlationId };
    const asksForDiscovery = request.method === 'GET' && DISCOVERY_PATHS.includes(path);
    return asksForDiscovery ? { endpoint: 'discovery', tenantId, form, correlationId } : undefined;
  }

  #takeRule({ endpoint, form }: Question): EntraRule | undefined {
    return this.parts.script.take(
      (rule) =>
        (rule.endpoint ?? 'token') === endpoint &&
        (rule.clientId === undefined || rule.clientId === form.get('client_id')),
    );
  }

  async #answer(question: Question, rule: EntraRule | undefined): Promise<Answer> {
    if (question.endpoint === 'token') this.requestCount += 1;
    if (rule?.garbage) return { status: 200, body: GARBAGE };
    if (rule?.error) return this.#refuse(question, rule.error, { retryAfterSeconds: rule.retryAfterSeconds });
    return question.endpoint === 'token' ? this.#grant(question) : { status: 200, body: this.#discovery(question) };
  }

  async #grant(question: Question): Promise<Answer> {
    const { directory, tokens, authorityHost, now } = this.parts;
    const { tenantId, form } = question;
    const nowSeconds = Math.floor(now() / 1000);
    const check = await checkTokenRequest(
      { tenantId, authority: `${authorityHost}/${tenantId}`, form, nowSeconds },
      directory,
    );
    if (check.kind === 'refused') return this.#refuse(question, check.error, { detail: check.detail });
    const lifetime = tokens.lifetimeSeconds;
    const token = await tokens.issue(check.app, check.audience);
    return {
      status: 200,
      body: { token_type: 'Bearer', expires_in: lifetime, ext_expires_in: lifetime, access_token: token },
    };
  }

  #refuse(
    question: Question,
    error: EntraErrorName,
    more: { detail?: string | undefined; retryAfterSeconds?: number | undefined },
  ): Answer {
    const { tenantId, form, correlationId } = question;
    const { detail, retryAfterSeconds } = more;
    const clientId = form.get('client_id') ?? '';
    const subject: EntraErrorSubject = {
      tenantId,
      clientId,
      scope: form.get('scope') ?? '',
      ...(detail !== undefined && { detail }),
    };
    const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
    return { ...entraError(error, subject, correlationId), headers };
  }

  /**
   * Also answers for unknown tenants, which Entra does not. With Microsoft's hosts, MSAL skips discovery and requests a
   * token at once, so with this answer a client gets AADSTS90002 in both cases.
   */
  #discovery({ tenantId }: Question): object {
    const base = `${this.parts.authorityHost}/${tenantId}`;
    return {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      jwks_uri: `${base}/discovery/v2.0/keys`,
      response_modes_supported: ['query', 'fragment', 'form_post'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      issuer: `${base}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    };
  }
}

const DISCOVERY_PATHS = ['/v2.0/.well-known/openid-configuration', '/.well-known/openid-configuration'];
const NOT_FOUND: Answer = { status: 404, body: '' };

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error('The request is too long.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  const isText = typeof body === 'string';
  response.writeHead(status, {
    'content-type': isText ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
    'cache-control': 'no-store, no-cache',
    'x-ms-request-id': randomUUID(),
    ...headers,
  });
  response.end(isText ? body : JSON.stringify(body));
}
