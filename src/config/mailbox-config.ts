/** One mailbox's configuration, from the environment or the file: its address, its login and its limits. */
import { addressKey, parseAddress } from '../core/message/address.ts';
import type { UnknownPolicy } from '../core/deliver/transition.ts';
import { CLOUDS } from '../core/mailbox/clouds.ts';
import { EXCHANGE_LIMITS, type Mailbox, type MailboxLimits } from '../core/mailbox/mailbox.ts';
import type { Application, Credential, ManagedIdentityCredential } from '../entra/credential.ts';
import type { Fault } from './fault.ts';
import type { MailboxFields } from './file-schema.ts';
import { readSecretFile } from './secret-file.ts';

export type LoginConfig =
  | { readonly kind: 'oauth'; readonly application: Application }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

/** A mailbox with all that is required to send through it. */
export interface MailboxConfig {
  readonly mailbox: Mailbox;
  readonly host: string;
  readonly port: number;
  readonly login: LoginConfig;
  readonly unknown: UnknownPolicy;
  /** The day on which the secret ends, when it is configured. */
  readonly secretExpires?: Date;
}

export interface MailboxContext {
  /** Where a field is set, for faults: the variable's name, or the file's line. */
  readonly place: (field: keyof MailboxFields) => string;
  readonly faults: Fault[];
}

const SUBMISSION_PORT = 587;
const MEGABYTE = 1024 ** 2;

/** Undefined when the fields have faults, which are in `context.faults` then. */
export function makeMailboxConfig(fields: MailboxFields, context: MailboxContext): MailboxConfig | undefined {
  const { faults, place } = context;
  const parsed = parseAddress(fields.address);
  if (!parsed.ok) {
    faults.push({ where: place('address'), message: parsed.problem });
    return undefined;
  }
  const { address } = parsed.address;
  const login = makeLogin(fields, address, context);
  const secretExpires = readDay(fields.clientSecretExpires, place('clientSecretExpires'), faults);
  if (fields.smtpPort === 465) {
    faults.push({ where: place('smtpPort'), message: 'must not be 465: Exchange Online has no implicit TLS; use 587' });
  }
  if (!login) return undefined;
  const cloud = CLOUDS[fields.cloud ?? 'global'];
  return {
    mailbox: {
      id: addressKey(address),
      address,
      sendAs: sendAsOf(fields, context),
      limits: limitsOf(fields.limits ?? {}),
    },
    host: fields.smtpHost ?? cloud.smtpHost,
    port: fields.smtpPort ?? SUBMISSION_PORT,
    login,
    unknown: fields.unknown ?? 'retry',
    ...(secretExpires && { secretExpires }),
  };
}

function sendAsOf({ sendAs = [] }: MailboxFields, { faults, place }: MailboxContext): string[] {
  return sendAs.flatMap((text) => {
    const parsed = parseAddress(text);
    if (parsed.ok) return [parsed.address.address];
    faults.push({ where: place('sendAs'), message: `${text}: ${parsed.problem}` });
    return [];
  });
}

function limitsOf({ messageSizeMegabytes, ...limits }: NonNullable<MailboxFields['limits']>): MailboxLimits {
  const size = messageSizeMegabytes === undefined ? {} : { messageSizeBytesMax: messageSizeMegabytes * MEGABYTE };
  return { ...EXCHANGE_LIMITS, ...limits, ...size };
}

function makeLogin(fields: MailboxFields, address: string, context: MailboxContext): LoginConfig | undefined {
  const password = fields.password ?? secretIn(fields.passwordFile, 'passwordFile', context);
  if (password !== undefined) return { kind: 'password', user: fields.user ?? address, password };
  const { tenantId, clientId } = fields;
  const { faults, place } = context;
  const cloud = CLOUDS[fields.cloud ?? 'global'];
  const credential = makeCredential(fields, context);
  if (credential?.kind === 'managed-identity')
    return { kind: 'oauth', application: { credential, scope: cloud.scope } };
  if (tenantId === undefined) {
    faults.push({ where: place('tenantId'), message: 'is required: Directory (tenant) ID of the app registration' });
  }
  if (clientId === undefined) {
    faults.push({ where: place('clientId'), message: 'is required: Application (client) ID of the app registration' });
  }
  if (!credential || tenantId === undefined || clientId === undefined) return undefined;
  const authorityHost = fields.authorityHost ?? cloud.authorityHost;
  return { kind: 'oauth', application: { tenantId, clientId, credential, authorityHost, scope: cloud.scope } };
}

function makeCredential(
  fields: MailboxFields,
  context: MailboxContext,
): Credential | ManagedIdentityCredential | undefined {
  const secret = fields.clientSecret ?? secretIn(fields.clientSecretFile, 'clientSecretFile', context);
  const given: (Credential | ManagedIdentityCredential)[] = [];
  if (secret !== undefined) given.push({ kind: 'secret', secret });
  if (fields.certificatePath !== undefined) given.push({ kind: 'certificate', path: fields.certificatePath });
  if (fields.federatedTokenFile !== undefined) given.push({ kind: 'federated', path: fields.federatedTokenFile });
  if (fields.managedIdentity !== undefined) given.push(managedIdentity(fields.managedIdentity));
  if (given.length === 1) return given[0];
  const { place, faults } = context;
  const others = (['certificatePath', 'federatedTokenFile', 'managedIdentity'] as const)
    .map((field) => name(place(field)))
    .join(', ');
  const message =
    given.length === 0
      ? `is required (or one of ${others}): the app registration proves itself with it`
      : `is one credential too many: set only one of ${name(place('clientSecret'))}, ${others}`;
  faults.push({ where: place('clientSecret'), message });
  return undefined;
}

/** `system`, or the client id of a user-assigned one. */
function managedIdentity(text: string): ManagedIdentityCredential {
  return { kind: 'managed-identity', ...(text !== 'system' && { clientId: text }) };
}

/** The field without its file and line. */
function name(place: string): string {
  return place.split(/[ .]/).at(-1) ?? place;
}

function secretIn(
  path: string | undefined,
  field: keyof MailboxFields,
  { faults, place }: MailboxContext,
): string | undefined {
  return path === undefined ? undefined : readSecretFile(path, place(field), faults);
}

export function readDay(text: string | undefined, where: string, faults: Fault[]): Date | undefined {
  if (text === undefined) return undefined;
  const day = new Date(text);
  if (!Number.isNaN(day.getTime())) return day;
  faults.push({ where, message: 'must be a day, such as 2027-01-31' });
  return undefined;
}
