/** nodemailer's own pool, as in its documentation, with a token that stays valid for the whole run. */
import { createTransport } from 'nodemailer';

/** `ca` is the sink's certificate authority, for a process that was not started with it. */
export function openTransport(port: number, maxConnections: number, ca?: string) {
  return createTransport({
    pool: true,
    maxConnections,
    maxMessages: Number.POSITIVE_INFINITY,
    host: 'localhost',
    port,
    requireTLS: true,
    ...(ca !== undefined && { tls: { ca } }),
    auth: { type: 'OAuth2', user: 'noreply@contoso.example', accessToken: 'a-token' },
  });
}
