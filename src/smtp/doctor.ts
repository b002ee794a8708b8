/** The doctor's checks of the SMTP host: name, port, banner, TLS and certificate, then login and senders. Sends no message. */
import { lookup } from 'node:dns/promises';
import { failed, ok, skipped, type Step, type StepId, warning } from '../core/admin/diagnosis.ts';
import { classifyReply } from '../core/replies/classify.ts';
import type { Reply } from '../core/message/message.ts';
import { findNetwork } from '../core/replies/network-table.ts';
import type { Stage } from '../core/replies/outcome.ts';
import { formatReply } from '../core/replies/reply.ts';
import { codeOf, messageOf } from '../lib/errors.ts';
import type { Credentials, Server } from './connection.ts';
import { type Dialogue, openDialogue, type TlsView } from './dialogue.ts';

export interface ServerDiagnosis {
  readonly steps: readonly Step[];
  /** The connection, secured and ready for the login. Undefined if a step failed. The caller closes it. */
  readonly session: ServerSession | undefined;
}

export interface ServerSession {
  readonly dialogue: Dialogue;
  /** The extensions that EHLO listed over TLS: keyword and parameters, in upper case. */
  readonly extensions: ReadonlyMap<string, string>;
}

const CLIENT_NAME = 'relay365-doctor';
const STEPS: readonly StepId[] = ['dns', 'connect', 'banner', 'starttls', 'certificate', 'size'];
const MEGABYTE = 1024 ** 2;

/**
 * Checks each step from the host's name to a trusted TLS session. `isOnline` says whether another host on the internet
 * answers. It is called if the port does not.
 */
export async function diagnoseServer(
  server: Server,
  sizeBytesMax: number,
  isOnline: () => Promise<boolean>,
): Promise<ServerDiagnosis> {
  const steps: Step[] = [];
  let dialogue: Dialogue | undefined;
  try {
    steps.push(await checkName(server));
    dialogue = await checkPort(server, steps, isOnline);
    await checkBanner(dialogue, server, steps);
    const extensions = await checkTls(dialogue, server, steps);
    steps.push(checkSize(extensions, sizeBytesMax));
    return { steps, session: { dialogue, extensions } };
  } catch (error) {
    dialogue?.close();
    const step = error instanceof StepFailed ? error.step : unexpected(STEPS[steps.length] ?? 'size', error);
    steps.push(step);
    const rest = STEPS.slice(steps.length).map((id) => skipped(id, 'The step before it failed.'));
    return { steps: [...steps, ...rest], session: undefined };
  }
}

/** Ends the checks. */
class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly step: Step;

  constructor(step: Step, options?: ErrorOptions) {
    super(step.seen, options);
    this.step = step;
  }
}

function unexpected(id: StepId, error: unknown): Step {
  return failed(id, messageOf(error), id === 'banner' ? NO_GREETING : (findNetwork(codeOf(error)) ?? BROKEN_OFF));
}

const BROKEN_OFF = {
  explanation: 'The connection ended in the middle of the dialogue.',
  fix: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587), then the firewall or proxy on the way. If they are right, try again.',
};

const NO_GREETING = {
  explanation:
    'The port accepts connections, but no mail server greets. It may wait for TLS, as port 465 does, or be a proxy.',
  fix: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587), then the firewall or proxy on the way.',
};

async function checkName({ host }: Server): Promise<Step> {
  const addresses = await lookup(host, { all: true });
  return ok('dns', `${host} is ${addresses.map(({ address }) => address).join(', ')}`);
}

async function checkPort({ host, port }: Server, steps: Step[], isOnline: () => Promise<boolean>): Promise<Dialogue> {
  try {
    const dialogue = await openDialogue(host, port);
    const seen = `${host}:${port} accepts connections`;
    steps.push(port === 25 ? warning('connect', seen, PORT_25) : ok('connect', seen));
    return dialogue;
  } catch (cause) {
    const code = codeOf(cause);
    const silent = code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH';
    const found = silent && (await isOnline()) ? blocked(port) : findNetwork(code);
    const fault = port === 25 ? PORT_25 : found;
    throw new StepFailed(failed('connect', `${host}:${port}: ${messageOf(cause)}`, fault), { cause });
  }
}

const PORT_25 = {
  explanation: 'Port 25 is for mail between servers, and many networks block it.',
  fix: 'Set SMTP_PORT=587, the port for submission.',
};

function blocked(port: number): { explanation: string; fix: string } {
  return {
    explanation: `This machine is online, but port ${port} does not answer: a firewall, the provider or the cloud blocks it.`,
    fix: 'Open outbound TCP port 587 to smtp.office365.com (Microsoft 365 endpoint set, ID 3).',
  };
}

/** Compares the banner with that of Exchange Online. Another banner may come from a relay, a proxy or the sandbox. */
async function checkBanner(dialogue: Dialogue, { host }: Server, steps: Step[]): Promise<void> {
  const banner = await dialogue.reply();
  const seen = formatReply(banner);
  if (banner.code !== 220) throw new StepFailed(refusedAt('banner', banner, 'greeting'));
  const isExchange = /Microsoft ESMTP MAIL Service/i.test(banner.text);
  const notExchange = {
    explanation: `This is not the banner of Exchange Online: something else answers as ${host}.`,
    fix: 'Check SMTP_HOST (smtp.office365.com), and look for a mail proxy or an antivirus on the way.',
  };
  steps.push(isExchange ? ok('banner', seen) : warning('banner', seen, notExchange));
}

async function checkTls(dialogue: Dialogue, server: Server, steps: Step[]): Promise<ReadonlyMap<string, string>> {
  const plain = await ehlo(dialogue, 'starttls');
  if (!plain.has('STARTTLS')) {
    throw new StepFailed(failed('starttls', `EHLO lists ${[...plain.keys()].join(', ') || 'nothing'}`, NO_STARTTLS));
  }
  const answer = await dialogue.command('STARTTLS');
  if (answer.code !== 220) throw new StepFailed(refusedAt('starttls', answer, 'starttls'));
  const view = await dialogue.startTls();
  steps.push(ok('starttls', view.version));
  steps.push(checkCertificate(view, server));
  return ehlo(dialogue, 'size');
}

const NO_STARTTLS = {
  explanation: 'The server does not offer STARTTLS. The login would be unencrypted, so relay365 does not log in.',
  fix: 'Exchange always offers it: a firewall with "SMTP inspection" or a mail proxy on the way removes it. Turn that off.',
};

/** The current issuers of certificates for Microsoft's hosts. Another issuer is a warning, not a failure. */
const MICROSOFTS_ISSUERS = /DigiCert|Microsoft/i;
const MICROSOFTS_HOSTS = /\.(office365\.com|office365\.us|outlook\.cn|outlook\.com)$/i;

export function checkCertificate({ certificate, distrust }: TlsView, { host }: Server): Step {
  const issuer = nameIn(certificate.issuer);
  const seen = `issued by ${issuer} for ${nameIn(certificate.subject)}, valid until ${certificate.valid_to}`;
  if (distrust !== undefined) {
    throw new StepFailed(failed('certificate', `${distrust}: ${seen}`, distrusted(distrust, issuer, host)));
  }
  if (!MICROSOFTS_HOSTS.test(host) || MICROSOFTS_ISSUERS.test(issuer)) return ok('certificate', seen);
  return warning('certificate', seen, {
    explanation: `This machine trusts the certificate, but it is not Microsoft's: ${issuer} decrypts the TLS of this connection.`,
    fix: `Exclude ${host} from the inspection by: ${issuer}`,
  });
}

function distrusted(distrust: string, issuer: string, host: string): { explanation: string; fix: string } {
  if (distrust === 'CERT_HAS_EXPIRED' || distrust === 'CERT_NOT_YET_VALID') {
    return {
      explanation:
        "The certificate is not valid at this time: this machine's clock is wrong, or a proxy shows an old certificate.",
      fix: 'Set the clock (timedatectl set-ntp true), then look for a proxy that decrypts TLS.',
    };
  }
  if (distrust.startsWith('ERR_TLS_CERT_ALTNAME')) {
    return {
      explanation: `The certificate is not for ${host}: the name leads to another server.`,
      fix: 'Check SMTP_HOST, and the DNS and hosts file of this machine.',
    };
  }
  return {
    explanation: `This machine does not trust the issuer, ${issuer}: a proxy, firewall or antivirus on the way decrypts TLS.`,
    fix: `Exclude ${host} from it. If the inspection is intended, put its certificate authority into a PEM file and set NODE_EXTRA_CA_CERTS to its path.`,
  };
}

function nameIn(subject: { O?: string | string[]; CN?: string | string[] } | undefined): string {
  return [subject?.O, subject?.CN].flat().filter(Boolean).join(', ') || '(no name)';
}

async function ehlo(dialogue: Dialogue, id: StepId): Promise<ReadonlyMap<string, string>> {
  const reply = await dialogue.command(`EHLO ${CLIENT_NAME}`);
  if (reply.code !== 250) throw new StepFailed(refusedAt(id, reply, 'starttls'));
  return readExtensions(reply.lines);
}

function readExtensions(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    lines.slice(1).map((line) => {
      const [keyword = '', ...parameters] = line.toUpperCase().split(' ');
      return [keyword, parameters.join(' ')] as const;
    }),
  );
}

function checkSize(extensions: ReadonlyMap<string, string>, sizeBytesMax: number): Step {
  const offered = Number(extensions.get('SIZE') ?? 0);
  const seen = offered > 0 ? `up to ${Math.floor(offered / MEGABYTE)} MB` : 'EHLO names no limit';
  if (offered === 0 || offered >= sizeBytesMax) return ok('size', seen);
  return failed('size', seen, {
    explanation: `The configuration allows messages of ${Math.floor(sizeBytesMax / MEGABYTE)} MB, which the server would refuse.`,
    fix: `Lower messageSizeMegabytes to ${Math.floor(offered / MEGABYTE)}.`,
  });
}

/** Logs in with these credentials. */
export async function diagnoseLogin({ dialogue }: ServerSession, credentials: Credentials): Promise<Step> {
  try {
    const reply = await login(dialogue, credentials);
    return reply.code === 235 ? ok('login', formatReply(reply)) : refusedAt('login', reply, 'auth');
  } catch (error) {
    return unexpected('login', error);
  }
}

async function login(dialogue: Dialogue, credentials: Credentials): Promise<Reply> {
  if (credentials.kind === 'password') {
    const asked = await dialogue.command('AUTH LOGIN');
    if (asked.code !== 334) return asked;
    const askedAgain = await dialogue.command(base64(credentials.user));
    return askedAgain.code === 334 ? dialogue.command(base64(credentials.password)) : askedAgain;
  }
  const reply = await dialogue.command(
    `AUTH XOAUTH2 ${base64(`user=${credentials.user}\x01auth=Bearer ${credentials.token}\x01\x01`)}`,
  );
  // A server may send the error as a challenge. The reply follows after an empty answer.
  return reply.code === 334 ? dialogue.command('') : reply;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Checks with MAIL FROM whether each address is allowed to send, and resets the transaction (RSET). */
export async function diagnoseSenders({ dialogue }: ServerSession, addresses: readonly string[]): Promise<Step> {
  try {
    return await askForEach(dialogue, addresses);
  } catch (error) {
    return unexpected('senders', error);
  }
}

async function askForEach(dialogue: Dialogue, addresses: readonly string[]): Promise<Step> {
  for (const address of addresses) {
    const reply = await dialogue.command(`MAIL FROM:<${address}>`);
    if (reply.code !== 250) {
      const step = refusedAt('senders', reply, 'mail');
      return { ...step, seen: `${address}: ${step.seen}` };
    }
    await dialogue.command('RSET');
  }
  return ok('senders', `${addresses.join(', ')}${addresses.length > 1 ? ` (${SENDAS_LATER})` : ''}`);
}

const SENDAS_LATER = 'Exchange checks the permission to send as another address only when it has the message';

function refusedAt(id: StepId, reply: Reply, stage: Stage): Step {
  return failed(id, formatReply(reply), classifyReply(reply, stage));
}
