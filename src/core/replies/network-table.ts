/** Failures on the way to Exchange or Entra, by the error code of the system, OpenSSL or nodemailer. */
import { type Fault, SHORT_WAIT } from './classification.ts';

export interface NetworkFault extends Fault {
  readonly codes: readonly string[] | RegExp;
}

type Row = Pick<NetworkFault, 'id' | 'codes' | 'looks' | 'explanation' | 'fix'>;

function row(fields: Row): NetworkFault {
  return { scope: 'mailbox', action: 'hold', wait: SHORT_WAIT, source: 'Node.js, OpenSSL', ...fields };
}

const PROXY =
  'A firewall or antivirus on the way decrypts TLS. Exclude smtp.office365.com and login.microsoftonline.com from it, or add its certificate authority with NODE_EXTRA_CA_CERTS.';

export const NETWORK_TABLE: readonly NetworkFault[] = [
  row({
    id: 'dns',
    codes: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EDNS', 'ENODATA', 'ESERVFAIL'],
    looks: 'ENOTFOUND, EAI_AGAIN',
    explanation: 'The host name cannot be resolved.',
    fix: 'Check DNS on this machine (getent hosts smtp.office365.com) and the spelling of SMTP_HOST.',
  }),
  row({
    id: 'refused',
    codes: ['ECONNREFUSED'],
    looks: 'ECONNREFUSED',
    explanation: 'The host is reachable, but refuses the connection on this port.',
    fix: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587; Exchange Online has no port 465).',
  }),
  row({
    id: 'unreachable',
    codes: ['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'EADDRNOTAVAIL'],
    looks: 'EHOSTUNREACH, ENETUNREACH',
    explanation:
      'The host is not reachable: the network of this machine is down, or a firewall rejects the connection.',
    fix: 'Check the network and the firewall for outbound port 587.',
  }),
  row({
    id: 'timeout',
    codes: ['ETIMEDOUT', 'ESOCKETTIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'],
    looks: 'ETIMEDOUT, no banner',
    explanation: 'The host did not answer: a firewall silently drops connections to port 587, or the port is wrong.',
    fix: 'Open outbound port 587 to smtp.office365.com. Ports 25 and 465 do not work: 25 is often blocked, and Exchange Online has no port 465.',
  }),
  row({
    id: 'certificate',
    codes: /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|ERR_SSL_CERT|HOSTNAME_MISMATCH)/,
    looks: 'CERT_HAS_EXPIRED, SELF_SIGNED_CERT_IN_CHAIN, UNABLE_TO_VERIFY…, ERR_TLS_CERT_ALTNAME_INVALID',
    explanation: "The server's certificate is not trusted, so nothing was sent.",
    fix: PROXY,
  }),
  row({
    id: 'tls',
    codes: /^(ETLS$|EPROTO$|ERR_SSL_|ERR_TLS_)/,
    looks: 'ETLS, ERR_SSL_WRONG_VERSION_NUMBER, STARTTLS not offered',
    explanation: 'The connection could not be secured with TLS 1.2 or newer, so nothing was sent.',
    fix: PROXY,
  }),
];

/** The row for a failure on the way to Exchange. */
export function findNetwork(code: string | undefined): NetworkFault | undefined {
  if (code === undefined) return undefined;
  return NETWORK_TABLE.find(({ codes }) => (codes instanceof RegExp ? codes.test(code) : codes.includes(code)));
}

/** The row for a failure on the way to Entra: the same failures with another host and port. */
export function findNetworkToEntra(code: string | undefined): NetworkFault | undefined {
  const fault = findNetwork(code);
  return fault && fault.fix !== PROXY ? { ...fault, ...ENTRA_AWAY } : fault;
}

const ENTRA_AWAY = {
  explanation: 'Entra is not reachable.',
  fix: 'Open outbound port 443 to login.microsoftonline.com. Check DNS on this machine, M365_CLOUD and AZURE_AUTHORITY_HOST.',
};
