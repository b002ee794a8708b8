/**
 * The ports of the submission server and what their connections share. The listeners are our own: a client is counted
 * before a byte of it is read, and at the close those that are sending are known from those that are not.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { totalmem } from 'node:os';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';
import type { ApiKey } from '../core/submit/api-key.ts';
import { makeKeyGuard, networkOf } from '../core/submit/key-guard.ts';
import { type Directory, RECIPIENTS_MAX } from '../core/mailbox/mailbox.ts';
import type { CountRequest } from '../core/submit/request-rate.ts';
import type { Outbox } from '../core/submit/outbox.ts';
import type { Certificate } from './certificate.ts';
import { type Clients, openClients, type TrustedNetwork } from './clients.ts';
import { Connection, type SentReply } from './connection.ts';
import { type HandlerContext, makeHandlers, OFF } from './handlers.ts';
import { MemoryBudget, LIMITS, Places, receivingBytesFor, type SmtpInLimits } from './limits.ts';
import type { Log } from './log.ts';
import { SERVER_NAME } from './received.ts';
import { STOPPING } from './reply.ts';
import { tlsTrouble } from './tls-trouble.ts';

export interface SubmissionServerOptions {
  readonly host: string;
  /** Undefined: no TLS, and so no login, until there is one. */
  readonly certificate?: Certificate;
  readonly keys: () => readonly ApiKey[];
  readonly trustedNetworks: () => readonly TrustedNetwork[];
  readonly rewritesFrom: (client: string) => boolean;
  readonly directory: () => Directory;
  readonly submit: Outbox['submit'];
  readonly countRequest: CountRequest;
  readonly onReply: (code: number) => void;
  readonly log: Log;
  readonly limits?: Partial<SmtpInLimits>;
}

export class SubmissionServer {
  readonly #options: SubmissionServerOptions;
  readonly #limits: SmtpInLimits;
  readonly #places: Places;
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
    this.#places = new Places(limits);
    const sizeBytesMax = () => largest(options.directory());
    // Asked for once: the answer stands in files of the system.
    const memory = memoryBytes();
    this.#clients = openClients(options.keys, options.trustedNetworks);
    this.#context = {
      ...options,
      ...this.#clients,
      limits,
      hasTls: () => this.#certificate !== undefined,
      sizeBytesMax,
      budget: new MemoryBudget(() => receivingBytesFor(memory, limits.receivingBytes, sizeBytesMax())),
      guard: makeKeyGuard(() => performance.now()),
      connectionOf: (session) => this.#connections.get(session),
    };
  }

  /** Answers with the port that it listens at. */
  async listen(port: number, tlsFirst: boolean): Promise<number> {
    // smtp-server has a certificate of its own, whose key everybody knows.
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
    // First `#closing` is set: what is answered from here on ends with a 421.
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
    const giveBack = this.#closing !== undefined ? undefined : this.#places.take(networkOf(socket.remoteAddress ?? ''));
    if (giveBack) this.#open(socket, smtp, giveBack);
    else refuse(socket, tlsFirst);
  }

  #open(socket: Socket, smtp: SMTPServer, giveBack: () => void): void {
    const connection = new Connection(smtp, socket, {
      limits: this.#limits,
      isKnown: (session) => this.#clients.clientOf(session) !== undefined,
      isStopping: () => this.#closing !== undefined,
      onReply: (reply, from) => this.#tellReply(reply, from),
      onEnd: ({ session }) => {
        giveBack();
        this.#connections.delete(session);
        if (this.#connections.size === 0) this.#onEmpty();
      },
    });
    this.#connections.set(connection.session, connection);
    // An end may come as several errors, of which the first tells most.
    connection.once('error', (err) => tellError(err, connection, this.#options.log));
    connection.on('error', () => undefined);
    connection.init();
  }

  /** A device shows nobody why its mail was refused: the log does. */
  #tellReply({ code, enhanced }: SentReply, { session, remoteAddress: ip }: Connection): void {
    this.#options.onReply(code);
    if (code < 400) return;
    const client = this.#clients.clientOf(session)?.name;
    const fields = { ip, ...(client && { client }), code, ...(enhanced && { enhanced }) };
    this.#options.log[OUR_TROUBLE.includes(code) ? 'warn' : 'info'](fields, 'SMTP: refused');
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
      // Devices have strange senders, which are not used, and recipients are read again: see mail.ts.
      lenientAddressParsing: true,
      maxCommandLength: 4_096,
      authMethods: ['PLAIN', 'LOGIN'],
      // Who may send is asked at MAIL and at the end of DATA: a trusted network needs no login.
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

/** For a client to read why, and to go by itself. */
const LAST_WORD_MS = 500;
const OUR_TROUBLE = [451, 452];

function tellError(err: Error, { remoteAddress: ip }: Connection, log: Log): void {
  const trouble = tlsTrouble(err);
  if (trouble === undefined) log.debug({ err }, 'SMTP: a connection failed');
  else log.info({ ip, code: (err as NodeJS.ErrnoException).code }, `SMTP: no TLS with a client, for ${trouble}`);
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
