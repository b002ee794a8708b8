/** Entra's refusals of a token, by the code in their texts, and network failures by the system's names. */
import type { RealCodes } from './real-reply.ts';

const held = { scope: 'mailbox', action: 'hold' } as const;
const heldByTenant = { scope: 'tenant', action: 'hold' } as const;

export const ENTRA_SAID: readonly RealCodes[] = [
  {
    ...held,
    rule: 'secret-wrong',
    codes: ['AADSTS7000215'],
    explanation: /the secret's ID was copied instead of its value/,
    fix: /copy its VALUE, set AZURE_CLIENT_SECRET/,
  },
  {
    ...held,
    rule: 'secret-expired',
    codes: ['AADSTS7000222'],
    explanation: /The client secret has expired/,
    fix: /Certificates & secrets: create a new secret/,
  },
  {
    ...held,
    rule: 'app-unknown',
    codes: ['AADSTS700016'],
    explanation: /no such app in this tenant/,
    fix: /Application \(client\) ID/,
  },
  {
    ...heldByTenant,
    rule: 'tenant-unknown',
    codes: ['AADSTS90002', 'AADSTS900023'],
    explanation: /no such tenant, or it is in another cloud/,
    fix: /AZURE_TENANT_ID, and check M365_CLOUD/,
  },
  {
    ...held,
    rule: 'certificate-wrong',
    codes: ['AADSTS700027'],
    explanation: /certificate in AZURE_CLIENT_CERTIFICATE_PATH is not registered/,
    fix: /Certificates: upload the public part of this certificate/,
  },
  {
    ...held,
    rule: 'assertion-time',
    codes: ['AADSTS700024'],
    explanation: /clock is wrong, or the federated token is out of date/,
    fix: /timedatectl set-ntp true/,
  },
  {
    ...held,
    rule: 'federation-unknown',
    codes: ['AADSTS700213', 'AADSTS700212', 'AADSTS700211', 'AADSTS70021'],
    explanation: /does not trust the federated token/,
    fix: /Federated credentials: enter issuer and subject/,
  },
  {
    ...held,
    rule: 'scope-wrong',
    codes: ['AADSTS70011', 'AADSTS1002012'],
    explanation: /does not know the requested scope/,
    fix: /M365_CLOUD/,
  },
  {
    ...heldByTenant,
    rule: 'resource-unknown',
    codes: ['AADSTS500011'],
    explanation: /no Exchange Online, or it is in another cloud/,
    fix: /a licence that includes Exchange Online/,
  },
  {
    ...heldByTenant,
    rule: 'conditional-access',
    codes: ['AADSTS53003'],
    explanation: /Conditional Access policy for workload identities/,
    fix: /exclude the app/,
  },
  {
    ...held,
    rule: 'user-unknown',
    codes: ['AADSTS50034'],
    explanation: /account does not exist in this tenant/,
    fix: /M365_MAILBOX and AZURE_TENANT_ID/,
  },
  {
    ...held,
    rule: 'managed-identity-unavailable',
    codes: ['managed_identity_unavailable'],
    explanation: /platform that relay365 runs on issued no token/,
    fix: /client ID of a user-assigned identity/,
  },
  {
    ...held,
    rule: 'entra-impostor',
    codes: ['not_entra'],
    explanation: /answered instead of Entra/,
    fix: /without a proxy/,
  },
  {
    ...held,
    rule: 'entra-cut-off',
    codes: ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'],
    explanation: /ended before it answered/,
    fix: /login\.microsoftonline\.com, port 443/,
  },
  {
    ...held,
    rule: 'entra-throttled',
    codes: ['AADSTS90055', 'AADSTS90033', 'AADSTS50196'],
    explanation: /busy or throttles the app/,
    fix: /^Nothing/,
  },
];

export const NETWORK_SAID: readonly RealCodes[] = [
  {
    ...held,
    rule: 'dns',
    codes: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EDNS', 'ENODATA', 'ESERVFAIL'],
    explanation: /cannot be resolved/,
    fix: /getent hosts smtp\.office365\.com/,
  },
  {
    ...held,
    rule: 'refused',
    codes: ['ECONNREFUSED'],
    explanation: /refuses the connection on this port/,
    fix: /smtp\.office365\.com, 587/,
  },
  {
    ...held,
    rule: 'unreachable',
    codes: ['EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'EADDRNOTAVAIL'],
    explanation: /host is not reachable/,
    fix: /firewall for outbound port 587/,
  },
  {
    ...held,
    rule: 'timeout',
    codes: ['ETIMEDOUT', 'ESOCKETTIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'],
    explanation: /silently drops connections to port 587/,
    fix: /Open outbound port 587/,
  },
  {
    ...held,
    rule: 'certificate',
    codes: [
      'CERT_HAS_EXPIRED',
      'CERT_NOT_YET_VALID',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'HOSTNAME_MISMATCH',
    ],
    explanation: /certificate is not trusted, so nothing was sent/,
    fix: /NODE_EXTRA_CA_CERTS/,
  },
  {
    ...held,
    rule: 'tls',
    codes: [
      'ETLS',
      'EPROTO',
      'ERR_SSL_WRONG_VERSION_NUMBER',
      'ERR_SSL_UNSUPPORTED_PROTOCOL',
      'ERR_TLS_HANDSHAKE_TIMEOUT',
    ],
    explanation: /could not be secured with TLS 1\.2 or newer/,
    fix: /on the way decrypts TLS/,
  },
];
