/**
 * The replies of Exchange Online, word for word as in public transcripts and on Microsoft's pages. No other file contains
 * the text of a reply.
 */
import { randomBytes } from 'node:crypto';

/** The host names in the replies of the simulated Exchange. */
export interface ServerIdentity {
  /** In banner and EHLO: a client access server. */
  readonly frontEnd: string;
  /** In `[Hostname=…]`: the mailbox server behind it. */
  readonly backEnd: string;
}

export const IDENTITY: ServerIdentity = {
  frontEnd: 'LO4P123CA0042.outlook.office365.com',
  backEnd: 'LO4P123MB5678.GBRP123.PROD.OUTLOOK.COM',
};

/** Advertised in EHLO. The limit of a mailbox is lower. */
const SIZE_ADVERTISED_BYTES = 157_286_400;
const EXTENSIONS_BEFORE = [`SIZE ${SIZE_ADVERTISED_BYTES}`, 'PIPELINING', 'DSN', 'ENHANCEDSTATUSCODES'];
const EXTENSIONS_AFTER = ['8BITMIME', 'BINARYMIME', 'CHUNKING', 'SMTPUTF8'];

/** The fixed replies. */
export const REPLIES = {
  startTls: '220 2.0.0 SMTP server ready',
  bye: '221 2.0.0 Service closing transmission channel',
  authenticated: '235 2.7.0 Authentication successful',
  senderOk: '250 2.1.0 Sender OK',
  recipientOk: '250 2.1.5 Recipient OK',
  reset: '250 2.0.0 Resetting',
  ok: '250 2.0.0 OK',
  help: '214 This server supports the following commands: HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT',
  cannotVerify: '252 2.1.5 Cannot VRFY user',
  userName: '334 VXNlcm5hbWU6',
  password: '334 UGFzc3dvcmQ6',
  empty: '334 ',
  startInput: '354 Start mail input; end with <CRLF>.<CRLF>',
  tooManyRecipients: '452 4.5.3 Too many recipients',
  lineTooLong: '500 5.3.3 Line too long',
  invalidDomain: '501 5.5.4 Invalid domain name',
  invalidArguments: '501 5.5.4 Invalid arguments',
  unrecognizedParameter: '501 5.5.4 Unrecognized parameter',
  invalidAddress: '501 5.1.7 Invalid address',
  invalidRecipient: '501 5.1.3 Invalid address',
  authCancelled: '501 5.7.0 Authentication cancelled',
  helloFirst: '503 5.5.2 Send hello first',
  needMail: '503 5.5.2 Need mail command',
  needRecipient: '503 5.5.2 Need rcpt command',
  senderGiven: '503 5.5.2 Sender already specified',
  alreadyAuthenticated: '503 5.5.2 Already authenticated',
  oneStartTls: '503 5.5.2 Only one STARTTLS command can be issued per session',
  badSequence: '503 5.5.1 Bad sequence of commands',
  unknownMechanism: '504 5.7.4 Unrecognized authentication type',
  startTlsFirst: '530 5.7.0 Must issue a STARTTLS command first',
  tooLarge: '552 5.3.4 Message size exceeds fixed maximum message size',
  bareLineFeeds:
    '550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA',
} as const;

/** Why a login is refused, and Exchange's reply. */
export const LOGIN_REFUSALS = {
  unsuccessful: '535 5.7.3 Authentication unsuccessful',
  tenantDisabled:
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.',
  mailboxDisabled:
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.',
  wrongPassword: '535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.',
  basicDisabled: '535 5.7.139 Authentication unsuccessful, basic authentication is disabled.',
  securityDefaults:
    "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.",
  criteria:
    '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator.',
  basicRetired: '550 5.7.30 Basic authentication is not supported for Client Submission.',
  noMailbox: '550 5.2.1 Mailbox cannot be accessed',
} as const;

export type LoginRefusal = keyof typeof LOGIN_REFUSALS;

export function banner(now: Date, sessionId: string): string {
  const date = now.toUTCString().replace('GMT', '+0000');
  return `220 ${IDENTITY.frontEnd} Microsoft ESMTP MAIL Service ready at ${date} [${sessionId}]`;
}

export function hello(client: string): string {
  return `250 ${IDENTITY.frontEnd} Hello [${client}]`;
}

/** The lines of EHLO: with STARTTLS before TLS, with AUTH instead after it. */
export function extendedHello(client: string, secure: boolean): string {
  const lines = [...EXTENSIONS_BEFORE, secure ? 'AUTH LOGIN XOAUTH2' : 'STARTTLS', ...EXTENSIONS_AFTER];
  const all = [hello(client).slice(4), ...lines];
  return all.map((line, index) => `250${index === all.length - 1 ? ' ' : '-'}${line}`).join('\r\n');
}

export function loginRefused(refusal: LoginRefusal, now: Date, sessionId: string): string {
  return withTrace(LOGIN_REFUSALS[refusal], now, sessionId);
}

export function notAuthenticated(now: Date, sessionId: string): string {
  return withTrace('530 5.7.57 Client not authenticated to send mail.', now, sessionId);
}

export function accepted(messageId: string): string {
  return `250 2.0.0 OK ${messageId} [Hostname=${IDENTITY.backEnd}]`;
}

export function chunkReceived(bytes: number): string {
  return `250 2.6.0 CHUNK received OK, ${bytes} octets received`;
}

export function tooManyConnections(): string {
  return withHostname(
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.',
  );
}

export function sendAsDenied(mailbox: string, sender: string): string {
  return withHostname(
    `554 5.2.252 SendAsDenied; ${mailbox} not allowed to send as ${sender}; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message Cannot submit message.`,
  );
}

export function quotaExceeded(): string {
  return withHostname(
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message can't be submitted because the sender's submission quota was exceeded.",
  );
}

export function mailboxFull(): string {
  return withHostname(
    '554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionQuotaExceeded; Failed to process message due to a permanent exception with message Cannot save changes to the message.',
  );
}

export function logonFailure(): string {
  return withHostname('430 4.2.0 STOREDRV.ClientSubmit; mailbox logon failure');
}

export function corruptHeaders(problem: string): string {
  return withHostname(`554 5.6.0 Corrupt message content; ${problem}`);
}

export function rateExceeded(text: string): string {
  return withHostname(text);
}

export function idleTimeout(now: Date, sessionId: string): string {
  return withTrace('421 4.4.2 Connection timed out.', now, sessionId);
}

/** `00:20:00.0421234`, as .NET writes a duration. */
export function sessionTimeout(durationMs: number, now: Date, sessionId: string): string {
  const duration = `${new Date(durationMs).toISOString().slice(11, 23)}0000`;
  return withTrace(`421 4.4.1 Connection timed out. Total session duration: ${duration}`, now, sessionId);
}

export function unknownCommand(verb: string): string {
  return `500 5.3.3 Unrecognized command '${verb}'`;
}

/** A session's id in banners and refusals: 16 hexadecimal digits. */
export function newSessionId(): string {
  return `08DD${randomBytes(6).toString('hex').toUpperCase()}`;
}

/** Microsoft's support asks for the text in these brackets. */
function withTrace(text: string, now: Date, sessionId: string): string {
  return `${text} [${IDENTITY.backEnd} ${now.toISOString()} ${sessionId}]`;
}

function withHostname(text: string): string {
  return `${text} [Hostname=${IDENTITY.backEnd}]`;
}
