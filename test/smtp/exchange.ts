/** A simulated Exchange and a pool that sends to it. Both are closed at the end of the test. */
import { randomUUID } from 'node:crypto';
import tls from 'node:tls';
import { onTestFinished } from 'vitest';
import type { DeliveryRequest } from '../../src/core/deliver/deliver.ts';
import type { Outcome } from '../../src/core/replies/outcome.ts';
import { type CertificateOptions, makeServerCertificate } from '../../src/sandbox/certificate.ts';
import type { TokenCheck } from '../../src/sandbox/entra-tokens.ts';
import { type Exchange, openExchange } from '../../src/sandbox/exchange.ts';
import { type GetToken, type Login, openPool, type Pool } from '../../src/smtp/pool.ts';

export const MAILBOX = 'noreply@contoso.com';
const TENANT = '0f365000-5a4d-4b0c-8000-000000000001';
const PASSWORD = 'a-password';
export const BY_PASSWORD: Login = { kind: 'password', user: MAILBOX, password: PASSWORD };

export interface TestExchange extends Exchange {
  /** The tokens that it accepts. */
  readonly goodTokens: Set<string>;
}

/** An Exchange with one mailbox and without limits. This process trusts it, unless `trusted` is false. */
export async function openTestExchange(certificateOptions?: CertificateOptions, trusted = true): Promise<TestExchange> {
  const certificate = await makeServerCertificate(certificateOptions);
  const goodTokens = new Set<string>();
  const exchange = await openExchange({
    certificate,
    host: '127.0.0.1',
    port: 0,
    tenantId: TENANT,
    now: Date.now,
    verifyToken: async (token) => (goodTokens.has(token) ? GOOD_TOKEN : { kind: 'invalid', reason: 'expired' }),
    limits: { connections: 0, messagesPerMinute: 0 },
  });
  onTestFinished(exchange.close);
  exchange.addMailbox({ address: MAILBOX, password: PASSWORD });
  if (trusted) tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.caCertificate]);
  return Object.assign(exchange, { goodTokens });
}

const GOOD_TOKEN: TokenCheck = {
  kind: 'valid',
  claims: { aud: 'https://outlook.office365.com', appid: 'app', tid: TENANT, roles: ['SMTP.SendAsApp'], exp: 0 },
};

export function openTestPool({ port }: { readonly port: number }, login = BY_PASSWORD, host = 'localhost'): Pool {
  const pool = openPool({ host, port, login });
  onTestFinished(() => pool.close({ force: true }));
  return pool;
}

/** A login with tokens: the next one at each renewal, and then always the last. `asked` lists the values of `renew`. */
export function tokenLogin(...tokens: readonly string[]): Login & { readonly asked: readonly boolean[] } {
  const asked: boolean[] = [];
  const getToken: GetToken = async ({ renew }) => {
    asked.push(renew);
    const renewals = asked.filter((one) => one).length;
    return { ok: true, token: tokens[Math.min(renewals, tokens.length - 1)] ?? '' };
  };
  return { kind: 'oauth', user: MAILBOX, getToken, asked };
}

export function request(more: Partial<DeliveryRequest> = {}): DeliveryRequest {
  const bytes = Buffer.from(
    `From: ${MAILBOX}\r\nTo: a@example.com\r\nMessage-ID: <${randomUUID()}@x>\r\n\r\nHello.\r\n`,
  );
  return {
    from: MAILBOX,
    recipients: ['a@example.com'],
    bytes,
    markFinalDot: async () => undefined,
    signal: new AbortController().signal,
    ...more,
  };
}

/** An outcome in short. */
export function seen(outcome: Outcome): string {
  const reply = 'reply' in outcome ? ` ${outcome.reply.code}` : '';
  return `${outcome.kind}${'stage' in outcome ? ` at ${outcome.stage}` : ''}${reply}`;
}
