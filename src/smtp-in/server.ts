/**
 * The submission server (RFC 6409): for programs and devices that can only speak SMTP. Promises: 250 means that the
 * queue has the mail; nobody sends without a key, or the place of one; what is being received when it closes is answered.
 */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import type { ApiKey } from '../core/api-key.ts';
import { makeKeyGuard, networkOf } from '../core/key-guard.ts';
import { type Directory, RECIPIENTS_MAX } from '../core/mailbox.ts';
import type { CountRequest } from '../core/request-rate.ts';
import type { SubmitRaw } from '../core/submit.ts';
import type { Certificate } from './certificate.ts';
import { type Clients, openClients, type TrustedNetwork } from './clients.ts';
import { Connection } from './connection.ts';
import { Budget, LIMITS, Places, type SmtpInLimits } from './limits.ts';
import type { Log } from './log.ts';
import { type LoginContext, logIn } from './login.ts';
import { beginMail, checkRecipient, type MailContext, takeMail } from './mail.ts';
import { SERVER_NAME } from './received.ts';
import { Reply, STOPPING } from './reply.ts';

export interface SmtpInOptions {
  readonly host: string;
  /** For STARTTLS; undefined: not opened. */
  readonly port?: number;
  /** For TLS from the first byte; undefined: not opened. Needs a certificate. */
  readonly tlsPort?: number;
  /** Undefined: no TLS, and so no login. */
  readonly certificate?: Certificate;
  readonly keys: () => readonly ApiKey[];
  readonly trustedNetworks: () => readonly TrustedNetwork[];
  readonly rewritesFrom: (client: string) => boolean;
  readonly directory: () => Directory;
  readonly submit: SubmitRaw;
  readonly countRequest: CountRequest;
  readonly onReply: (code: number) => void;
  readonly log: Log;
  readonly limits?: Partial<SmtpInLimits>;
}

export interface SmtpIn {
  readonly port: number | undefined;
  readonly tlsPort: number | undefined;
  renew(certificate: Certificate): void;
  /** Answers what is being received, tells the others to go, and ends. */
  close(): Promise<void>;
}

/** What sendmail once had, and what is for proxies: no client needs it. */
const OFF = ['WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD', 'LHLO'];

export async function openSmtpIn(options: SmtpInOptions): Promise<SmtpIn> {
  const reception = new Reception(options);
  try {
    const port = options.port === undefined ? undefined : await reception.listen(options.port, false);
    const tlsPort = options.tlsPort === undefined ? undefined : await reception.listen(options.tlsPort, true);
    return { port, tlsPort, renew: (certificate) => reception.renew(certificate), close: () => reception.close() };
  } catch (error) {
    await reception.close();
    throw error;
  }
}

/** Both ports, and what their connections share. */
class Reception {
  readonly #options: SmtpInOptions;
  readonly #limits: SmtpInLimits;
  readonly #places: Places;
  readonly #clients: Clients;
  readonly #context: LoginContext & MailContext;
  readonly #connections = new Set<Connection>();
  readonly #servers: { readonly listener: Server; readonly smtp: SMTPServer }[] = [];
  #closing: Promise<void> | undefined;
  #onEmpty: () => void = () => undefined;

  constructor(options: SmtpInOptions) {
    const limits = { ...LIMITS, ...options.limits };
    this.#options = options;
    this.#limits = limits;
    this.#places = new Places(limits);
    this.#clients = openClients(options.keys, options.trustedNetworks);
    const sizeBytesMax = () => largest(options.directory());
    const own = {
      limits,
      sizeBytesMax,
      budget: new Budget(limits.receivingBytes),
      guard: makeKeyGuard(() => performance.now()),
    };
    this.#context = { ...options, ...this.#clients, ...own };
  }

  /** Answers with the port that it listens at. */
  async listen(port: number, tlsFirst: boolean): Promise<number> {
    const smtp = new SMTPServer(this.#serverOptions(tlsFirst));
    smtp.on('error', (err) => this.#options.log.debug({ err }, 'SMTP: a connection failed'));
    const listener = createServer((socket) => this.#accept(socket, smtp, tlsFirst));
    this.#servers.push({ listener, smtp });
    listener.listen(port, this.#options.host);
    await once(listener, 'listening');
    listener.on('error', (err) => this.#options.log.error({ err }, 'SMTP: the listener failed'));
    const address = listener.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  renew(certificate: Certificate): void {
    for (const { smtp } of this.#servers) smtp.updateSecureContext({ ...certificate });
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    for (const { listener } of this.#servers) listener.close();
    // First `#closing` is set: what is answered from here on ends with a 421.
    await Promise.resolve();
    for (const connection of this.#connections) if (!connection.isReceiving) connection.send(421, STOPPING);
    if (this.#connections.size === 0) return;
    const late = setTimeout(() => this.#endAll(), this.#limits.closeMs);
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    clearTimeout(late);
  }

  #endAll(): void {
    for (const connection of this.#connections) {
      connection.send(421, STOPPING);
      connection.cut();
    }
  }

  #accept(socket: Socket, smtp: SMTPServer, tlsFirst: boolean): void {
    const giveBack = this.#places.take(networkOf(socket.remoteAddress ?? ''));
    if (giveBack && !this.#closing) this.#open(socket, smtp, giveBack);
    else refuse(socket, tlsFirst);
  }

  #open(socket: Socket, smtp: SMTPServer, giveBack: () => void): void {
    const connection = new Connection(smtp, socket, {
      limits: this.#limits,
      isKnown: (session) => this.#clients.clientOf(session) !== undefined,
      isStopping: () => this.#closing !== undefined,
      onReply: this.#options.onReply,
      onEnd: () => {
        giveBack();
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#onEmpty();
      },
    });
    this.#connections.add(connection);
    smtp.connections.add(connection);
    connection.on('error', (err) => this.#options.log.debug({ err }, 'SMTP: a connection failed'));
    connection.init();
  }

  #serverOptions(tlsFirst: boolean): SMTPServerOptions {
    const { certificate, directory } = this.#options;
    return {
      name: SERVER_NAME,
      heloResponse: '%s',
      secure: tlsFirst,
      needsUpgrade: tlsFirst,
      ...certificate,
      minVersion: 'TLSv1.2',
      size: largest(directory()),
      maxRecipients: RECIPIENTS_MAX,
      maxCommandLength: 4_096,
      authMethods: ['PLAIN', 'LOGIN'],
      // Who may send is asked at MAIL and at the end of DATA: a trusted network needs no login.
      authOptional: true,
      // AUTH is turned off in each session that may not log in: see #commandsOff.
      allowInsecureAuth: true,
      disabledCommands: [...OFF, 'AUTH', 'STARTTLS'],
      hideENHANCEDSTATUSCODES: false,
      disableReverseLookup: true,
      socketTimeout: this.#limits.idleMs,
      logger: false,
      ...this.#handlers(),
    };
  }

  #handlers(): SMTPServerOptions {
    const context = this.#context;
    const known = (session: SMTPServerSession) => this.#settle(session);
    return {
      onConnect: (session, done) => answer(async () => known(session), done),
      onSecure: (_socket, session, done) => answer(async () => known(session), done),
      onAuth: (auth, session, done) => {
        logIn(auth, session, context).then(
          (user) => {
            done(null, { user });
            known(session);
          },
          (error: Error) => done(error),
        );
      },
      onMailFrom: (_address, session, done) => answer(() => beginMail(session, context), done),
      onRcptTo: (address, _session, done) => answer(async () => checkRecipient(address), done),
      onData: (stream, session, done) => void this.#receive(stream, session, done),
    };
  }

  /** What the session may do from now on, and for how long. */
  #settle(session: SMTPServerSession): void {
    const hasTls = this.#options.certificate !== undefined;
    const mayLogIn = session.secure || this.#clients.isTrusted(session.remoteAddress);
    session.disabledCommands = [...OFF, ...(hasTls ? [] : ['STARTTLS']), ...(mayLogIn ? [] : ['AUTH'])];
    if (this.#clients.clientOf(session)) this.#connectionOf(session)?.endsIn(this.#limits.sessionMs, '4.4.2 Too long');
  }

  #connectionOf(session: SMTPServerSession): Connection | undefined {
    for (const connection of this.#connections) if (connection.session === session) return connection;
    return undefined;
  }

  async #receive(...[stream, session, done]: Parameters<NonNullable<SMTPServerOptions['onData']>>): Promise<void> {
    const connection = this.#connectionOf(session);
    if (connection) connection.isReceiving = true;
    const late = setTimeout(() => connection?.send(421, '4.4.2 Too long for one mail'), this.#limits.dataMs);
    const finish = (error: Error | null, text?: string) => {
      clearTimeout(late);
      if (connection) connection.isReceiving = false;
      done(error, text);
    };
    await takeMail(stream, session, this.#context).then(
      (text) => finish(null, text),
      (error: Error) => finish(replyOf(error, this.#options.log)),
    );
  }
}

function largest({ mailboxes }: Directory): number {
  return Math.max(...mailboxes.map(({ limits }) => limits.messageSizeBytesMax));
}

function answer(work: () => Promise<void>, done: (error?: Error | null) => void): void {
  work().then(
    () => done(),
    (error: Error) => done(error),
  );
}

/** A fault of ours is told in the log, and to the client as something that may be over by the next time. */
function replyOf(error: Error, log: Log): Error {
  if (error instanceof Reply) return error;
  log.error({ err: error }, 'SMTP: a mail could not be taken');
  return new Reply(451, '4.3.0 A fault of this server: send it again later');
}

function refuse(socket: Socket, tlsFirst: boolean): void {
  socket.on('error', () => undefined);
  if (!tlsFirst) socket.write('421 4.7.0 Too many connections: try again later\r\n');
  socket.destroySoon();
}
