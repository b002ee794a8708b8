/** Why TLS with a client failed, for the log: devices rarely show it, and the doctor cannot ask them. */

/** The code for a client that starts TLS without STARTTLS. */
export const TLS_TOO_EARLY = 'ERR_SSL_TOO_EARLY';

const TROUBLES: readonly (readonly [RegExp, string])[] = [
  [
    /UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|INAPPROPRIATE_FALLBACK/,
    'it supports only TLS 1.1 or older, which is not accepted: update it, or trust its network (SMTP_IN_TRUSTED_NETWORKS)',
  ],
  [/NO_SHARED_CIPHER/, 'it supports no safe cipher: update it, or trust its network (SMTP_IN_TRUSTED_NETWORKS)'],
  [
    /UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(?:UNKNOWN|EXPIRED|REVOKED)|UNSUPPORTED_CERTIFICATE/,
    'it refuses the certificate of this server: check that it has the name that the client connects to, its whole chain, and has not expired',
  ],
  [
    /WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_TOO_SMALL|PACKET_LENGTH_TOO_LONG/,
    'it does not speak TLS, but this port is for TLS from the first byte: set it to "SSL/TLS", or to the port for STARTTLS',
  ],
  [
    new RegExp(TLS_TOO_EARLY),
    'it speaks TLS from the first byte, but this port is for STARTTLS: set it to "STARTTLS", or to the port for TLS',
  ],
];

/** The first bytes of a handshake of SSL 3 or newer. RFC 8446 5.1 */
export function isTls(first: Buffer): boolean {
  return first[0] === 0x16 && first[1] === 0x03;
}

/** Undefined: the error is of another kind. */
export function tlsTrouble({ code = '' }: NodeJS.ErrnoException): string | undefined {
  return code.startsWith('ERR_SSL_') ? TROUBLES.find(([pattern]) => pattern.test(code))?.[1] : undefined;
}
