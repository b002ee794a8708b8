/** Why TLS with a client came to nothing, for the log: a device shows nobody, and the doctor can't ask it. */

/** Of a client that begins TLS at a port where it has to be asked for. */
export const TLS_TOO_EARLY = 'ERR_SSL_TOO_EARLY';

const TROUBLES: readonly (readonly [RegExp, string])[] = [
  [
    /UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|INAPPROPRIATE_FALLBACK/,
    'it knows nothing newer than TLS 1.1, which is not taken here: update it, or trust its network (SMTP_IN_TRUSTED_NETWORKS)',
  ],
  [/NO_SHARED_CIPHER/, 'it has no cipher that is safe: update it, or trust its network (SMTP_IN_TRUSTED_NETWORKS)'],
  [
    /UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(?:UNKNOWN|EXPIRED|REVOKED)|UNSUPPORTED_CERTIFICATE/,
    'it refuses the certificate of this server: is it for the name that the client connects to, whole (with its chain), and not over?',
  ],
  [
    /WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_TOO_SMALL|PACKET_LENGTH_TOO_LONG/,
    'it speaks no TLS, and at this port it is TLS from the first byte: set it to "SSL/TLS", or to the port for STARTTLS',
  ],
  [
    new RegExp(TLS_TOO_EARLY),
    'it speaks TLS from the first byte, and this port is for STARTTLS: set it to "STARTTLS", or to the port for TLS',
  ],
];

/** What a client's first byte is then, and the next: a handshake of SSL 3 or newer. RFC 8446 5.1 */
export function isTls(first: Buffer): boolean {
  return first[0] === 0x16 && first[1] === 0x03;
}

/** Undefined: the error is of another kind. */
export function tlsTrouble({ code = '' }: NodeJS.ErrnoException): string | undefined {
  return code.startsWith('ERR_SSL_') ? TROUBLES.find(([pattern]) => pattern.test(code))?.[1] : undefined;
}
