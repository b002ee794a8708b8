/** The shape of relay365.yaml. relay365.schema.json, which editors read, is made from it. */
import { type Static, Type } from 'typebox';

const strict = { additionalProperties: false };

const PATTERNS = {
  managedIdentity: '^(system|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$',
  pool: '^[a-z0-9][a-z0-9._-]{0,62}$',
  key: '^[\\w.-]{1,64}$',
  hash: '^sha256:[0-9a-f]{64}$',
} as const;

/** What each pattern requires, in words. */
export const PATTERN_WORDS: ReadonlyMap<string, string> = new Map([
  [PATTERNS.managedIdentity, 'must be system, or the client id of a user-assigned identity'],
  [PATTERNS.pool, 'must have only lower-case letters, digits, ".", "_" and "-" (at most 63)'],
  [PATTERNS.key, 'must have only letters, digits, ".", "_" and "-" (at most 64)'],
  [PATTERNS.hash, 'must be sha256: and 64 hexadecimal digits, as npm run key prints it; never the key itself'],
]);

const Limits = Type.Object(
  {
    connections: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000, description: 'Connections to Exchange at a time; 0 = no limit.' }),
    ),
    messagesPerMinute: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000, description: '0 = no limit.' })),
    recipientsPerDay: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000_000, description: 'In any 24 hours; 0 = no limit.' }),
    ),
    messageSizeMegabytes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 150,
        description: 'What MaxSendSize allows; Exchange counts 1 MB as 1,048,576 bytes.',
      }),
    ),
  },
  { ...strict, description: "The mailbox's limits at Microsoft. Missing values come from the M365_… variables." },
);

const MailboxEntry = Type.Object(
  {
    address: Type.String({ description: "The mailbox's primary address." }),
    sendAs: Type.Optional(Type.Array(Type.String(), { description: 'Other addresses that it may send as.' })),
    cloud: Type.Optional(Type.Enum(['global', 'usgov', 'dod', 'china'])),
    tenantId: Type.Optional(Type.String({ description: 'Directory (tenant) ID.' })),
    clientId: Type.Optional(Type.String({ description: 'Application (client) ID.' })),
    clientSecret: Type.Optional(Type.String({ description: "The secret's value. Better: clientSecretFile." })),
    clientSecretFile: Type.Optional(Type.String({ description: 'A file that holds the secret.' })),
    clientSecretExpires: Type.Optional(
      Type.String({
        description: 'The day on which the secret ends, such as 2027-11-01: relay365 warns 30 days ahead.',
      }),
    ),
    certificatePath: Type.Optional(Type.String({ description: 'A PEM file with certificate and private key.' })),
    federatedTokenFile: Type.Optional(Type.String({ description: 'Workload identity: the file with the token.' })),
    managedIdentity: Type.Optional(
      Type.String({
        pattern: PATTERNS.managedIdentity,
        description:
          'On Azure: `system`, or the client id of a user-assigned identity; tenantId and clientId are not needed. Not tried against a tenant.',
      }),
    ),
    authorityHost: Type.Optional(Type.String({ description: 'Default: that of the cloud.' })),
    smtpHost: Type.Optional(Type.String({ description: 'Default: that of the cloud.' })),
    smtpPort: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    user: Type.Optional(Type.String({ description: 'With a password: the login name, if it is not the address.' })),
    password: Type.Optional(
      Type.String({ description: 'Login by password instead of OAuth, while Microsoft allows it.' }),
    ),
    passwordFile: Type.Optional(Type.String({ description: 'A file that holds the password.' })),
    limits: Type.Optional(Limits),
    unknown: Type.Optional(
      Type.Enum(['retry', 'hold'], {
        description:
          'What follows when Exchange may have accepted a message: send the same bytes again (retry, the default), or wait for a person (hold).',
      }),
    ),
  },
  { ...strict, description: 'Missing values come from the environment.' },
);

const PoolEntry = Type.Object(
  {
    name: Type.String({
      pattern: PATTERNS.pool,
      description: 'Used in the field `mailbox` of a message.',
    }),
    mailboxes: Type.Array(Type.String(), { minItems: 1, description: 'Addresses of mailboxes of this file.' }),
    stickyBy: Type.Optional(
      Type.Enum(['recipient', 'none'], {
        description: 'recipient: the first recipient gets mail from the same mailbox each time, while that works.',
      }),
    ),
  },
  {
    ...strict,
    description: 'A group of mailboxes: a message is sent through the one with the most room in its limits.',
  },
);

const ApiKeyEntry = Type.Object(
  {
    name: Type.String({ pattern: PATTERNS.key, description: 'Names the client in logs and in its messages.' }),
    hash: Type.String({
      pattern: PATTERNS.hash,
      description: 'Made by `npm run key`; the key itself is kept nowhere.',
    }),
    scopes: Type.Optional(
      Type.Array(Type.Enum(['send', 'read', 'admin']), { minItems: 1, description: 'Default: send and read.' }),
    ),
    mailboxes: Type.Optional(
      Type.Array(Type.String(), { description: 'Mailboxes and pools that it may use. Default: all.' }),
    ),
    senders: Type.Optional(
      Type.Array(Type.String(), { description: 'Addresses, or @domains, that it may send from. Default: all.' }),
    ),
    expires: Type.Optional(Type.String({ description: 'The day from which the key is refused, such as 2027-01-31.' })),
    requestsPerMinute: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    queuedMessagesMax: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Messages of this key that may wait at a time.' }),
    ),
    queuedMegabytesMax: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Megabytes of messages of this key that may wait at a time.' }),
    ),
  },
  strict,
);

const SmtpIn = Type.Object(
  {
    rewriteFrom: Type.Optional(
      Type.Array(Type.String(), {
        description:
          "API keys whose messages get the mailbox's own address as From when no mailbox may send as theirs. The display name " +
          'stays, and the old address becomes Reply-To unless the message has one. Default: such messages are refused.',
      }),
    ),
  },
  { ...strict, description: 'Messages that arrive by SMTP.' },
);

export const FileSchema = Type.Object(
  {
    mailboxes: Type.Optional(Type.Array(MailboxEntry, { description: 'The first is the default.' })),
    pools: Type.Optional(Type.Array(PoolEntry)),
    apiKeys: Type.Optional(Type.Array(ApiKeyEntry)),
    smtpIn: Type.Optional(SmtpIn),
  },
  { ...strict, title: 'relay365.yaml' },
);

export type FileConfig = Static<typeof FileSchema>;
export type MailboxFields = Static<typeof MailboxEntry>;
