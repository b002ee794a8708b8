/** What goes wrong on the way to Exchange or Entra, by the code of the system, of OpenSSL or of nodemailer. */
import { type Fault, SHORT_WAIT } from './classification.ts';

export interface NetworkFault extends Fault {
  readonly codes: readonly string[] | RegExp;
}

type Row = Pick<NetworkFault, 'id' | 'codes' | 'looks' | 'explanation' | 'fix'>;

function row(fields: Row): NetworkFault {
  return { scope: 'mailbox', action: 'hold', wait: SHORT_WAIT, source: 'Node.js, OpenSSL', ...fields };
}

const PROXY =
  'A firewall or antivirus that opens TLS stands in between: except smtp.office365.com and login.microsoftonline.com from it, or name its authority in NODE_EXTRA_CA_CERTS.';

export const NETWORK_TABLE: readonly NetworkFault[] = [
  row({
    id: 'dns',
    codes: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EDNS', 'ENODATA', 'ESERVFAIL'],
    looks: 'ENOTFOUND, EAI_AGAIN',
    explanation: 'The name of the host can not be resolved.',
    fix: 'Check the DNS of this machine (getent hosts smtp.office365.com) and the spelling of SMTP_HOST.',
  }),
  row({
    id: 'refused',
    codes: ['ECONNREFUSED'],
    looks: 'ECONNREFUSED',
    explanation: 'The host is there, but refuses the connection on this port.',
    fix: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587; Exchange Online has no port 465).',
  }),
  row({
    id: 'unreachable',
    codes: ['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'EADDRNOTAVAIL'],
    looks: 'EHOSTUNREACH, ENETUNREACH',
    explanation: 'There is no way to the host: the network of this machine is down, or a firewall says no.',
    fix: 'Check the network and the firewall for outbound port 587.',
  }),
  row({
    id: 'timeout',
    codes: ['ETIMEDOUT', 'ESOCKETTIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'],
    looks: 'ETIMEDOUT, no banner',
    explanation: 'Nobody answered: a firewall drops outbound port 587 without a word, or the port is the wrong one.',
    fix: 'Open outbound port 587 to smtp.office365.com. Ports 25 and 465 do not do: 25 is often blocked, 465 does not exist there.',
  }),
  row({
    id: 'certificate',
    codes: /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT|ERR_SSL_CERT|HOSTNAME_MISMATCH)/,
    looks: 'CERT_HAS_EXPIRED, SELF_SIGNED_CERT_IN_CHAIN, UNABLE_TO_VERIFY…, ERR_TLS_CERT_ALTNAME_INVALID',
    explanation: "The server's certificate can't be trusted, so nothing was sent.",
    fix: PROXY,
  }),
  row({
    id: 'tls',
    codes: /^(ETLS$|EPROTO$|ERR_SSL_|ERR_TLS_)/,
    looks: 'ETLS, ERR_SSL_WRONG_VERSION_NUMBER, STARTTLS not offered',
    explanation: 'The connection could not be secured by TLS 1.2 or newer, so nothing was sent.',
    fix: PROXY,
  }),
];

/** On the way to Exchange. */
export function findNetwork(code: string | undefined): NetworkFault | undefined {
  if (code === undefined) return undefined;
  return NETWORK_TABLE.find(({ codes }) => (codes instanceof RegExp ? codes.test(code) : codes.includes(code)));
}

/** On the way to Entra: the same troubles, but another host and another port. */
export function findNetworkToEntra(code: string | undefined): NetworkFault | undefined {
  const fault = findNetwork(code);
  return fault && fault.fix !== PROXY ? { ...fault, ...ENTRA_AWAY } : fault;
}

const ENTRA_AWAY = {
  explanation: 'Entra can not be reached.',
  fix: 'Open outbound port 443 to login.microsoftonline.com; check the DNS of this machine, M365_CLOUD and AZURE_AUTHORITY_HOST.',
};
