/** The mailboxes of a configuration: the one of the variables, and those of relay365.yaml. */
import { addressKey } from '../core/message/address.ts';
import type { MailboxLimits } from '../core/mailbox/mailbox.ts';
import type { ConfigFile } from './config-file.ts';
import type { Fault } from './fault.ts';
import type { MailboxFields } from './file-schema.ts';
import { type MailboxConfig, makeMailboxConfig } from './mailbox-config.ts';
import { orphans, type Values } from './variables.ts';

/** The variables' mailbox first, then the file's. A mailbox of the file takes missing values from the variables. */
export function readMailboxes(
  values: Values,
  limits: MailboxLimits,
  file: ConfigFile | undefined,
  faults: Fault[],
): MailboxConfig[] {
  const entries = file?.content.mailboxes ?? [];
  const common = fieldsOf(values, limits);
  const own = values.M365_MAILBOX;
  const inFile = entries.some(({ address }) => own !== undefined && addressKey(address) === addressKey(own));
  const first =
    own === undefined || inFile
      ? undefined
      : makeMailboxConfig({ ...common, address: own }, { place: variableOf, faults });
  const others = entries.map((entry, i) =>
    makeMailboxConfig(
      { ...withoutCredential(common, entry), ...entry, limits: { ...common.limits, ...entry.limits } },
      { place: (field) => file?.place(['mailboxes', i, field]) ?? field, faults },
    ),
  );
  // A file with faults may have a mailbox that is not read.
  if (own === undefined && entries.length === 0 && faults.length === 0) faults.push(...orphans(values));
  const all = [first, ...others].filter((mailbox) => mailbox !== undefined);
  const isDefault = ({ mailbox }: MailboxConfig) => own !== undefined && mailbox.id === addressKey(own);
  return [...all.filter(isDefault), ...all.filter((mailbox) => !isDefault(mailbox))];
}

const VARIABLE_OF: Readonly<Partial<Record<keyof MailboxFields, string>>> = {
  address: 'M365_MAILBOX',
  tenantId: 'AZURE_TENANT_ID',
  clientId: 'AZURE_CLIENT_ID',
  clientSecret: 'AZURE_CLIENT_SECRET',
  certificatePath: 'AZURE_CLIENT_CERTIFICATE_PATH',
  federatedTokenFile: 'AZURE_FEDERATED_TOKEN_FILE',
  managedIdentity: 'AZURE_MANAGED_IDENTITY',
  smtpPort: 'SMTP_PORT',
};

function variableOf(field: keyof MailboxFields): string {
  return VARIABLE_OF[field] ?? field;
}

function fieldsOf(
  values: Values,
  { connections, messagesPerMinute, recipientsPerDay }: MailboxLimits,
): Omit<MailboxFields, 'address'> {
  const fields = {
    tenantId: values.AZURE_TENANT_ID,
    clientId: values.AZURE_CLIENT_ID,
    clientSecret: values.AZURE_CLIENT_SECRET,
    certificatePath: values.AZURE_CLIENT_CERTIFICATE_PATH,
    federatedTokenFile: values.AZURE_FEDERATED_TOKEN_FILE,
    managedIdentity: values.AZURE_MANAGED_IDENTITY,
    authorityHost: values.AZURE_AUTHORITY_HOST,
    smtpHost: values.SMTP_HOST,
    user: values.SMTP_USER,
    password: values.SMTP_PASSWORD,
  };
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const limits = { connections, messagesPerMinute, recipientsPerDay };
  return {
    ...given,
    cloud: values.M365_CLOUD,
    smtpPort: values.SMTP_PORT,
    unknown: values.M365_UNKNOWN_POLICY,
    limits,
  };
}

/** A mailbox with a credential of its own takes none from the variables. */
function withoutCredential(
  common: Omit<MailboxFields, 'address'>,
  entry: MailboxFields,
): Omit<MailboxFields, 'address'> {
  const brings = [
    'clientSecret',
    'clientSecretFile',
    'certificatePath',
    'federatedTokenFile',
    'managedIdentity',
    'password',
    'passwordFile',
  ] as const;
  if (!brings.some((field) => entry[field] !== undefined)) return common;
  const {
    clientSecret: _,
    certificatePath: __,
    federatedTokenFile: ___,
    managedIdentity: ____,
    password: _____,
    user: ______,
    ...rest
  } = common;
  return rest;
}
