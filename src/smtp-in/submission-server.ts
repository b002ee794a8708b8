/**
 * The ports of the submission server and what their connections share. The listeners are our own: a client is counted
 * before a byte is read, and a shutdown can tell connections with a message in progress from idle ones.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { totalmem } from 'node:os';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import type { ApiKey } from '../core/submit/api-key.ts';
import type { KeyGuard } from '../core/submit/key-guard.ts';
import { type Directory, RECIPIENTS_MAX } from '../core/mailbox/mailbox.ts';
import type { CountRequest } from '../core/submit/request-rate.ts';
import type { Outbox } from '../core/submit/outbox.ts';
import type { Certificate } from './certificate.ts';
import { type Clients, openClients, type TrustedNetwork } from './clients.ts';
import { Connection, type SentReply } from './connection.ts';
import { type HandlerContext, makeHandlers, OFF } from './handlers.ts';
import { networkOf } from '../lib/ip.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { LIMITS, receivingBytesFor, SERVER_NAME, type SmtpInLimits } from './limits.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { Log } from './log.ts';
import { STOPPING } from './reply.ts';
import { tlsTrouble } from './tls-trouble.ts';

export interface SubmissionServerOptions {
  readonly host: string;
  /** Undefined: no TLS, and so no login, until one is set. */
  readonly certificate?: Certificate;
  readonly keys: () => readonly ApiKey[];
  readonly trustedNetworks: () => readonly TrustedNetwork[];
  readonly rewritesFrom: (client: string) => boolean;
  readonly directory: () => Directory;
  readonly submit: Outbox['submit'];
  readonly guard: KeyGuard;
  readonly countRequest: CountRequest;
  readonly onReply: (code: number) => void;
  readonly log: Log;
  readonly limits?: Partial<SmtpInLimits>;
}

export class SubmissionServer {
  readonly #options: SubmissionServerOptions;
  readonly #limits: SmtpInLimits;
  readonly #connectionLimit: ConnectionLimit;
  readonly #clients: Clients;
  readonly #context: HandlerContext;
  readonly #connections = new Map<SMTPServerSession, Connection>();
  readonly #listeners: Server[] = [];
  readonly #servers: SMTPServer[] = [];
  #certificate: Certificate | undefined;
  #closing: Promise<void> | undefined;
  #onEmpty: () => void = () => undefined;

  constructor(options: SubmissionServerOptions) {
    const limits = { ...LIMITS, ...options.limits };
    this.#options = options;
    this.#limits = limits;
    this.#certificate = options.certificate;
    this.#connectionLimit = new ConnectionLimit(limits);
    const sizeBytesMax = () => largest(options.directory());
    // Read once: the answer is in files of the system.
    const memory = memoryBytes();
    this.#clients = openClients(options.keys, options.trustedNetworks);
    this.#context = {
      ...options,
      ...this.#clients,
      limits,
      hasTls: () => this.#certificate !== undefined,
      sizeBytesMax,
      budget: new MemoryBudget(() => receivingBytesFor(memory, limits.receivingBytes, sizeBytesMax())),
      connectionOf: (session) => this.#connections.get(session),
    };
  }

  /** Resolves to the port. */
  async listen(port: number, tlsFirst: boolean): Promise<number> {
    // smtp-server has a default certificate, whose key is public.
    if (tlsFirst && !this.#certificate) throw new Error('TLS from the first byte needs a certificate.');
    const smtp = this.#makeServer(tlsFirst);
    const listener = createServer((socket) => this.#accept(socket, smtp, tlsFirst));
    this.#servers.push(smtp);
    this.#listeners.push(listener);
    listener.listen(port, this.#options.host);
    await once(listener, 'listening');
    listener.on('error', (err) => this.#options.log.error({ err }, 'SMTP: the listener failed'));
    const address = listener.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  /** For connections from now on. */
  renew(certificate: Certificate): void {
    this.#certificate = certificate;
    for (const smtp of this.#servers) smtp.updateSecureContext({ ...certificate });
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    // `#closing` must be set first: from here on each reply is followed by a 421.
    await Promise.resolve();
    for (const connection of this.#connections.values()) if (!connection.isReceiving) connection.send(421, STOPPING);
    if (this.#connections.size === 0) return;
    const { closeMs } = this.#limits;
    const each = (end: (connection: Connection) => void) => () => this.#connections.forEach(end);
    const timers = [
      setTimeout(
        each((connection) => connection.send(421, STOPPING)),
        closeMs,
      ),
      setTimeout(
        each((connection) => connection.cut()),
        closeMs + LAST_WORD_MS,
      ),
    ];
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    timers.forEach(clearTimeout);
  }

  #accept(socket: Socket, smtp: SMTPServer, tlsFirst: boolean): void {
    const release =
      this.#closing !== undefined ? undefined : this.#connectionLimit.take(networkOf(socket.remoteAddress ?? ''));
    if (release) this.#open(socket, smtp, release);
    else refuse(socket, tlsFirst);
  }

  #open(socket: Socket, smtp: SMTPServer, release: () => void): void {
    const connection = new Connection(smtp, socket, {
      limits: this.#limits,
      isKnown: (session) => this.#clients.clientOf(session) !== undefined,
      isStopping: () => this.#closing !== undefined,
      onReply: (reply, from) => this.#logReply(reply, from),
      onEnd: ({ session }) => {
        release();
        this.#connections.delete(session);
        if (this.#connections.size === 0) this.#onEmpty();
      },
    });
    this.#connections.set(connection.session, connection);
    // A disconnect may cause several errors; the first says most.
    connection.once('error', (err) => logError(err, connection, this.#options.log));
    connection.on('error', () => undefined);
    connection.init();
  }

  /** Devices rarely show why a message was refused: the log does. */
  #logReply({ code, enhanced }: SentReply, { session, remoteAddress: ip }: Connection): void {
    this.#options.onReply(code);
    if (code < 400) return;
    const client = this.#clients.clientOf(session)?.name;
    const fields = { ip, ...(client && { client }), code, ...(enhanced && { enhanced }) };
    this.#options.log[OUR_FAULTS.includes(code) ? 'warn' : 'info'](fields, 'SMTP: refused');
  }

  #makeServer(tlsFirst: boolean): SMTPServer {
    const { sizeBytesMax } = this.#context;
    return new SMTPServer({
      name: SERVER_NAME,
      heloResponse: '%s',
      secure: tlsFirst,
      needsUpgrade: tlsFirst,
      ...this.#certificate,
      minVersion: 'TLSv1.2',
      // Read with each EHLO and MAIL: mailboxes may come and go.
      get size() {
        return sizeBytesMax();
      },
      maxRecipients: RECIPIENTS_MAX,
      // Devices have strange senders, which are ignored, and recipients are parsed again: see receive.ts.
      lenientAddressParsing: true,
      maxCommandLength: 4_096,
      authMethods: ['PLAIN', 'LOGIN'],
      // The client is checked at MAIL and at the end of DATA: a trusted network needs no login.
      authOptional: true,
      // AUTH is turned off in each session that may not log in.
      allowInsecureAuth: true,
      disabledCommands: [...OFF, 'AUTH', 'STARTTLS'],
      hideENHANCEDSTATUSCODES: false,
      disableReverseLookup: true,
      socketTimeout: this.#limits.idleMs,
      logger: false,
      ...makeHandlers(this.#context),
    });
  }
}

/** Time for a client to read the reason and to disconnect by itself. */
const LAST_WORD_MS = 500;
const OUR_FAULTS = [451, 452];

function logError(err: Error, { remoteAddress: ip }: Connection, log: Log): void {
  const reason = tlsTrouble(err);
  if (reason === undefined) log.debug({ err }, 'SMTP: a connection failed');
  else log.info({ ip, code: (err as NodeJS.ErrnoException).code }, `SMTP: TLS with a client failed: ${reason}`);
}

/** Of the machine, or of the container that this process runs in. */
function memoryBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}

function largest({ mailboxes }: Directory): number {
  return Math.max(...mailboxes.map(({ limits }) => limits.messageSizeBytesMax));
}

function refuse(socket: Socket, tlsFirst: boolean): void {
  socket.on('error', () => undefined);
  if (!tlsFirst) socket.write('421 4.7.0 Too many connections: try again later\r\n');
  socket.destroySoon();
}
