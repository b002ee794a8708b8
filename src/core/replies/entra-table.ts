/** Entra's refusals of a token (AADSTS codes, and a platform that gives none) and what each means. All of them hold the mailbox: none is a mail's fault. */
import { type Fault, SHORT_WAIT, SOURCES } from './classification.ts';

export interface EntraFault extends Fault {
  /** As they stand in Entra's answer, or as src/entra calls a failure that has none. */
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
    explanation: "The client secret is wrong. Often the secret's id was copied in place of its value.",
    fix: `${NEW_SECRET}: make a new secret, copy its VALUE, set AZURE_CLIENT_SECRET, and restart or send SIGHUP.`,
  }),
  row({
    id: 'secret-expired',
    codes: ['AADSTS7000222'],
    looks: 'AADSTS7000222 The provided client secret keys are expired',
    explanation: 'The client secret has expired. The mails wait; none is lost.',
    fix: `${NEW_SECRET}: make a new secret, set AZURE_CLIENT_SECRET to its value, and restart or send SIGHUP.`,
  }),
  row({
    id: 'app-unknown',
    codes: ['AADSTS700016'],
    looks: 'AADSTS700016 Application was not found in the directory',
    explanation:
      'There is no such app in this tenant: AZURE_CLIENT_ID or AZURE_TENANT_ID is wrong, or the app was removed.',
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
    explanation: 'The app does not know the certificate of AZURE_CLIENT_CERTIFICATE_PATH.',
    fix: `${NEW_SECRET} > Certificates: upload this certificate (its public part).`,
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
    explanation: 'The app does not trust the federated token: its issuer, subject or audience is not the one it names.',
    fix: `${NEW_SECRET} > Federated credentials: give issuer and subject as they stand in the token of AZURE_FEDERATED_TOKEN_FILE.`,
  }),
  row({
    id: 'scope-wrong',
    codes: ['AADSTS70011', 'AADSTS1002012'],
    looks: 'AADSTS70011, AADSTS1002012 The provided value for scope is not valid',
    explanation: 'Entra does not know the scope that was asked for.',
    fix: 'Check M365_CLOUD: it sets the scope.',
  }),
  row({
    id: 'resource-unknown',
    codes: ['AADSTS500011'],
    looks: 'AADSTS500011 The resource principal was not found in the tenant',
    scope: 'tenant',
    explanation: 'The tenant has no Exchange Online, or it is in another cloud.',
    fix: 'Check AZURE_TENANT_ID and M365_CLOUD, and that the tenant has a licence with Exchange Online.',
  }),
  row({
    id: 'conditional-access',
    codes: ['AADSTS53003'],
    looks: 'AADSTS53003 Access has been blocked by Conditional Access policies',
    scope: 'tenant',
    explanation: 'A conditional access policy for workload identities blocks the app.',
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
    explanation: 'The platform that relay365 runs on gives no token for the managed identity.',
    fix: 'Give the machine, app or container this identity (its page in the Azure portal > Identity). AZURE_MANAGED_IDENTITY is "system", or the client id of a user-assigned one; elsewhere than on Azure use a certificate.',
  }),
  row({
    id: 'entra-impostor',
    codes: ['not_entra'],
    looks: "a page of HTML in place of Entra's answer",
    wait: SHORT_WAIT,
    explanation: "Something else answers in Entra's place: a proxy or a captive portal.",
    fix: 'Let this machine reach https://login.microsoftonline.com without a proxy that answers in its place.',
  }),
  row({
    id: 'entra-cut-off',
    codes: ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'],
    looks: 'UND_ERR_SOCKET, ECONNRESET on the way to Entra',
    wait: SHORT_WAIT,
    explanation: 'The connection to Entra ended before it answered.',
    fix: 'If it does not pass: a firewall or proxy cuts connections to login.microsoftonline.com, port 443; let them through.',
  }),
  row({
    id: 'entra-throttled',
    codes: ['AADSTS90055', 'AADSTS90033', 'AADSTS50196'],
    looks: '429, 503 AADSTS90055, AADSTS90033 throttled; a transient error',
    wait: SHORT_WAIT,
    explanation: 'Entra is busy or throttles the app. This passes.',
    fix: 'Nothing.',
  }),
];

export function findEntra(code: string | undefined): EntraFault | undefined {
  return code === undefined ? undefined : ENTRA_TABLE.find(({ codes }) => codes.includes(code));
}
