/**
 * Why there is no access token: Entra's AADSTS codes, and failures on the way to Entra or to a managed identity. Each
 * holds the mailbox, because no message is at fault.
 */
import { type Fault, SHORT_WAIT, SOURCES } from './classification.ts';

export interface EntraFault extends Fault {
  /** As in Entra's answer. For a failure without a code, the name that src/entra gives it. */
  readonly codes: readonly string[];
}

type Row = Pick<EntraFault, 'id' | 'codes' | 'looks' | 'explanation' | 'fix'> &
  Partial<Pick<EntraFault, 'wait' | 'scope'>>;

function row(fields: Row): EntraFault {
  return { scope: 'mailbox', action: 'hold', source: SOURCES.entra, ...fields };
}

const NEW_SECRET = 'Entra admin center > App registrations > the app > Certificates & secrets';

export const ENTRA_TABLE: readonly EntraFault[] = [
  row({
    id: 'secret-wrong',
    codes: ['AADSTS7000215'],
    looks: 'AADSTS7000215 Invalid client secret provided',
    explanation: "The client secret is wrong. Often the secret's ID was copied instead of its value.",
    fix: `${NEW_SECRET}: create a new secret, copy its VALUE, set AZURE_CLIENT_SECRET, and restart or send SIGHUP.`,
  }),
  row({
    id: 'secret-expired',
    codes: ['AADSTS7000222'],
    looks: 'AADSTS7000222 The provided client secret keys are expired',
    explanation: 'The client secret has expired. Messages wait; none are lost.',
    fix: `${NEW_SECRET}: create a new secret, set AZURE_CLIENT_SECRET to its value, and restart or send SIGHUP.`,
  }),
  row({
    id: 'app-unknown',
    codes: ['AADSTS700016'],
    looks: 'AADSTS700016 Application was not found in the directory',
    explanation:
      'There is no such app in this tenant: AZURE_CLIENT_ID or AZURE_TENANT_ID is wrong, or the app was deleted.',
    fix: 'Copy "Application (client) ID" and "Directory (tenant) ID" from the overview page of the app registration.',
  }),
  row({
    id: 'tenant-unknown',
    codes: ['AADSTS90002', 'AADSTS900023'],
    looks: 'AADSTS90002 Tenant not found; AADSTS900023 is neither a valid DNS name nor a valid external domain',
    scope: 'tenant',
    explanation: 'There is no such tenant, or it is in another cloud.',
    fix: 'Copy "Directory (tenant) ID" into AZURE_TENANT_ID, and check M365_CLOUD.',
  }),
  row({
    id: 'certificate-wrong',
    codes: ['AADSTS700027'],
    looks: 'AADSTS700027 The certificate with identifier used to sign the client assertion is not registered',
    explanation: 'The certificate in AZURE_CLIENT_CERTIFICATE_PATH is not registered for the app.',
    fix: `${NEW_SECRET} > Certificates: upload the public part of this certificate.`,
  }),
  row({
    id: 'assertion-time',
    codes: ['AADSTS700024'],
    looks: 'AADSTS700024 Client assertion is not within its valid time range',
    explanation: "This machine's clock is wrong, or the federated token is out of date.",
    fix: 'Set the clock (timedatectl set-ntp true); with workload identity, check that the token file is renewed.',
  }),
  row({
    id: 'federation-unknown',
    codes: ['AADSTS700213', 'AADSTS700212', 'AADSTS700211', 'AADSTS70021'],
    looks: 'AADSTS700213, AADSTS70021 No matching federated identity record found for presented assertion',
    explanation:
      'The app does not trust the federated token: its issuer, subject or audience matches no federated credential.',
    fix: `${NEW_SECRET} > Federated credentials: enter issuer and subject exactly as in the token in AZURE_FEDERATED_TOKEN_FILE.`,
  }),
  row({
    id: 'scope-wrong',
    codes: ['AADSTS70011', 'AADSTS1002012'],
    looks: 'AADSTS70011, AADSTS1002012 The provided value for scope is not valid',
    explanation: 'Entra does not know the requested scope.',
    fix: 'Check M365_CLOUD, which sets the scope.',
  }),
  row({
    id: 'resource-unknown',
    codes: ['AADSTS500011'],
    looks: 'AADSTS500011 The resource principal was not found in the tenant',
    scope: 'tenant',
    explanation: 'The tenant has no Exchange Online, or it is in another cloud.',
    fix: 'Check AZURE_TENANT_ID and M365_CLOUD, and that the tenant has a licence that includes Exchange Online.',
  }),
  row({
    id: 'conditional-access',
    codes: ['AADSTS53003'],
    looks: 'AADSTS53003 Access has been blocked by Conditional Access policies',
    scope: 'tenant',
    explanation: 'A Conditional Access policy for workload identities blocks the app.',
    fix: 'Entra admin center > Entra ID > Conditional Access: exclude the app, or allow the IP address of this machine.',
  }),
  row({
    id: 'user-unknown',
    codes: ['AADSTS50034'],
    looks: 'AADSTS50034 The user account does not exist in the directory',
    explanation: 'The account does not exist in this tenant.',
    fix: 'Check M365_MAILBOX and AZURE_TENANT_ID.',
  }),
  row({
    id: 'managed-identity-unavailable',
    codes: ['managed_identity_unavailable'],
    looks: 'no token from the platform for AZURE_MANAGED_IDENTITY',
    explanation: 'The platform that relay365 runs on issued no token for the managed identity.',
    fix: 'Assign the identity to the machine, app or container (its page in the Azure portal > Identity). Set AZURE_MANAGED_IDENTITY to "system", or to the client ID of a user-assigned identity. Outside Azure, use a certificate.',
  }),
  row({
    id: 'entra-impostor',
    codes: ['not_entra'],
    looks: "an HTML page instead of Entra's answer",
    wait: SHORT_WAIT,
    explanation: 'Something else answered instead of Entra: a proxy or a captive portal.',
    fix: 'Let this machine reach https://login.microsoftonline.com without a proxy that answers instead of Entra.',
  }),
  row({
    id: 'entra-cut-off',
    codes: ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'],
    looks: 'UND_ERR_SOCKET, ECONNRESET on the way to Entra',
    wait: SHORT_WAIT,
    explanation: 'The connection to Entra ended before it answered.',
    fix: 'If it continues, a firewall or proxy cuts connections to login.microsoftonline.com, port 443. Allow them.',
  }),
  row({
    id: 'entra-throttled',
    codes: ['AADSTS90055', 'AADSTS90033', 'AADSTS50196'],
    looks: '429, 503 AADSTS90055, AADSTS90033 throttled; a transient error',
    wait: SHORT_WAIT,
    explanation: 'Entra is busy or throttles the app. This is temporary.',
    fix: 'Nothing.',
  }),
];

export function findEntra(code: string | undefined): EntraFault | undefined {
  return code === undefined ? undefined : ENTRA_TABLE.find(({ codes }) => codes.includes(code));
}
