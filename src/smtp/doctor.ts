/** The doctor's look at the SMTP host: name, port, banner, TLS and certificate, then login and senders. Sends no mail. */
import { lookup } from 'node:dns/promises';
import { failed, ok, skipped, type Step, type StepId, warning } from '../core/admin/checkup.ts';
import { classifyReply } from '../core/replies/classify.ts';
import type { Reply } from '../core/message/message.ts';
import { findNetwork } from '../core/replies/network-table.ts';
import { formatReply, type Stage } from '../core/replies/outcome.ts';
import type { Credentials, Server } from './connection.ts';
import { type Dialogue, openDialogue, type TlsView } from './dialogue.ts';

export interface ServerDiagnosis {
  readonly steps: readonly Step[];
  /** The connection, secured and ready for the login; undefined when a step failed. The caller closes it. */
  readonly session: ServerSession | undefined;
}

export interface ServerSession {
  readonly dialogue: Dialogue;
  /** What EHLO listed over TLS: keyword and its parameters, in upper case. */
  readonly extensions: ReadonlyMap<string, string>;
}

const CLIENT_NAME = 'relay365-doctor';
const STEPS: readonly StepId[] = ['dns', 'connect', 'banner', 'starttls', 'certificate', 'size'];
const MEGABYTE = 1024 ** 2;

/**
 * Walks from the host's name to a trusted TLS session. `isOnline` is asked when the port does not answer: whether
 * another host on the internet does.
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

/** Ends the walk. */
class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly step: Step;

  constructor(step: Step, options?: ErrorOptions) {
    super(step.seen, options);
    this.step = step;
  }
}

function unexpected(id: StepId, error: unknown): Step {
  const { code, message } = error as NodeJS.ErrnoException;
  return failed(id, message, id === 'banner' ? NO_GREETING : (findNetwork(code) ?? BROKEN_OFF));
}

const BROKEN_OFF = {
  explanation: 'The connection ended in the middle of the dialogue.',
  fix: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587), then the firewall or proxy on the way. If they are right, try again.',
};

const NO_GREETING = {
  explanation:
    'The port takes connections, but no mail server greets: it may wait for TLS, as port 465 does, or be a proxy.',
  fix: 'Check SMTP_HOST and SMTP_PORT (smtp.office365.com, 587), then the firewall or proxy on the way.',
};

async function checkName({ host }: Server): Promise<Step> {
  const addresses = await lookup(host, { all: true });
  return ok('dns', `${host} is ${addresses.map(({ address }) => address).join(', ')}`);
}

async function checkPort({ host, port }: Server, steps: Step[], isOnline: () => Promise<boolean>): Promise<Dialogue> {
  try {
    const dialogue = await openDialogue(host, port);
    const seen = `${host}:${port} takes connections`;
    steps.push(port === 25 ? warning('connect', seen, PORT_25) : ok('connect', seen));
    return dialogue;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const silent = code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH';
    const found = silent && (await isOnline()) ? blocked(port) : findNetwork(code);
    const fault = port === 25 ? PORT_25 : found;
    throw new StepFailed(failed('connect', `${host}:${port}: ${message}`, fault), { cause });
  }
}

const PORT_25 = {
  explanation: 'Port 25 is for servers among each other; many networks block it.',
  fix: 'Set SMTP_PORT=587, the port for submission.',
};

function blocked(port: number): { explanation: string; fix: string } {
  return {
    explanation: `This machine is online, but port ${port} gets no answer: a firewall, the provider or the cloud blocks it.`,
    fix: 'Open outbound TCP port 587 to smtp.office365.com (Microsoft 365 endpoint set, ID 3).',
  };
}

/** The banner of Exchange Online. Another server may be one that stands in its place: a relay, a proxy, the sandbox. */
async function checkBanner(dialogue: Dialogue, { host }: Server, steps: Step[]): Promise<void> {
  const banner = await dialogue.reply();
  const seen = formatReply(banner);
  if (banner.code !== 220) throw new StepFailed(refusedAt('banner', banner, 'greeting'));
  const isExchange = /Microsoft ESMTP MAIL Service/i.test(banner.text);
  const stranger = {
    explanation: `This is not how Exchange Online greets: something else answers as ${host}.`,
    fix: 'Check SMTP_HOST (smtp.office365.com), and for a mail proxy or an antivirus on the way.',
  };
  steps.push(isExchange ? ok('banner', seen) : warning('banner', seen, stranger));
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
  explanation: 'The server does not offer STARTTLS: the login would go in the clear, so relay365 does not log in.',
  fix: 'Exchange always offers it: a firewall with "SMTP inspection" or a mail proxy on the way strips it. Turn that off.',
};

/** Who may issue certificates for Microsoft's hosts, today. Another one is no fault, but worth a look. */
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
    explanation: `This machine trusts it, but it is not Microsoft's: ${issuer} opens the TLS of this connection.`,
    fix: `Except ${host} from the inspection by: ${issuer}`,
  });
}

function distrusted(distrust: string, issuer: string, host: string): { explanation: string; fix: string } {
  if (distrust === 'CERT_HAS_EXPIRED' || distrust === 'CERT_NOT_YET_VALID') {
    return {
      explanation: "The certificate's time is not now: this machine's clock is wrong, or a proxy shows an old one.",
      fix: 'Set the clock (timedatectl set-ntp true), then look for a proxy that opens TLS.',
    };
  }
  if (distrust.startsWith('ERR_TLS_CERT_ALTNAME')) {
    return {
      explanation: `The certificate is for another name than ${host}: the name leads to another server.`,
      fix: 'Check SMTP_HOST, and the DNS and hosts file of this machine.',
    };
  }
  return {
    explanation: `This machine does not know the issuer, ${issuer}: a proxy, firewall or antivirus opens TLS on the way.`,
    fix: `Except ${host} from it; or, if that is wanted, put its authority into a PEM file named by NODE_EXTRA_CA_CERTS.`,
  };
}

function nameIn(subject: { O?: string | string[]; CN?: string | string[] } | undefined): string {
  return [subject?.O, subject?.CN].flat().filter(Boolean).join(', ') || 'nobody';
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
  const seen = offered > 0 ? `up to ${Math.floor(offered / MEGABYTE)} MB` : 'it names no limit';
  if (offered === 0 || offered >= sizeBytesMax) return ok('size', seen);
  return failed('size', seen, {
    explanation: `The configuration lets messages of ${Math.floor(sizeBytesMax / MEGABYTE)} MB in, which would be refused.`,
    fix: `Lower messageSizeMegabytes to ${Math.floor(offered / MEGABYTE)}.`,
  });
}

/** Logs in. */
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
  // A server may tell the error as a challenge, which wants an empty answer before the reply comes.
  return reply.code === 334 ? dialogue.command('') : reply;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Asks for each address whether it may send (MAIL FROM), and takes it back (RSET). */
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

const SENDAS_LATER = 'Exchange checks the right to send as another address only when it has the mail';

function refusedAt(id: StepId, reply: Reply, stage: Stage): Step {
  return failed(id, formatReply(reply), classifyReply(reply, stage));
}
