/**
 * One client's connection: smtp-server's, with enhanced codes in its replies, and limits for clients that send only commands,
 * are too slow, or are connected when the server stops.
 */
import type { Socket } from 'node:net';
import type { SMTPServer, SMTPServerSession } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import type { SmtpInLimits } from './limits.ts';
import { withBrackets, withName, withoutSender } from './tolerant-syntax.ts';
import { clearer, enhancedCode, MUST_STARTTLS, NO_END, STOPPING } from './reply.ts';
import { isTls, TLS_TOO_EARLY } from './tls-trouble.ts';

/** A reply without its text, which may contain an address. */
export interface SentReply {
  readonly code: number;
  /** Set when the text is ours. */
  readonly enhanced?: string;
}

export interface ConnectionContext {
  readonly limits: SmtpInLimits;
  readonly isKnown: (session: SMTPServerSession) => boolean;
  readonly isStopping: () => boolean;
  readonly onReply: (reply: SentReply, connection: Connection) => void;
  readonly onEnd: (connection: Connection) => void;
}

const CLOSING = 421;
const ACCEPTED = /^2\.0\.0 Ok: queued/;

export class Connection extends SMTPConnection {
  /** Whether a message is being received or submitted. */
  isReceiving = false;
  readonly #context: ConnectionContext;
  #replies = 0;
  #errors = 0;
  #deadline: NodeJS.Timeout | undefined;

  constructor(server: SMTPServer, socket: Socket, context: ConnectionContext) {
    super(server, socket);
    this.#context = context;
    this.endsIn(context.limits.loginMs, '4.4.2 Timeout: no login');
  }

  override init(): void {
    const greet = () => setTimeout(() => this.connectionReady(), this.#context.limits.greetingMs).unref();
    this._setListeners(() => void greet());
    if (!this.needsUpgrade) this._socket.once('data', (first: Buffer) => this.#checkFirst(first));
  }

  override handler_EHLO(command: Buffer, done: () => void): void {
    super.handler_EHLO(Buffer.from(withName(command.toString())), done);
  }

  override handler_HELO(command: Buffer, done: () => void): void {
    super.handler_HELO(Buffer.from(withName(command.toString())), done);
  }

  override _parseAddressCommand(name: string, command: Buffer | string) {
    const line = withBrackets(command.toString());
    const parsed = super._parseAddressCommand(name, line);
    return parsed || name !== 'mail from' ? parsed : super._parseAddressCommand(name, withoutSender(line));
  }

  override _onTimeout(): void {
    if (this.isReceiving && !this._closing) this.send(CLOSING, NO_END);
    else super._onTimeout();
  }

  /** Each reply of smtp-server and of ours goes through here. */
  override send(code: number, given?: string | string[] | null, about?: string | false): void {
    const text = clearer(given);
    // smtp-server does not know AUTH when it is disabled, and would not say why.
    if (code === 500 && about === 'AUTH') super.send(530, MUST_STARTTLS, false);
    else super.send(code, text, enhancedCode(text) ? false : about);
    if (!this._socket.destroyed) this.#report(code, enhancedCode(text));
    if (code === CLOSING) return;
    if (this.#context.isStopping() && !this.isReceiving) this.send(CLOSING, STOPPING);
    else this.#count(code, text);
  }

  /** Ends the connection after this time, unless it is called again. */
  endsIn(ms: number, text: string): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.send(CLOSING, text), ms).unref();
  }

  /** Ends it without a reply. */
  cut(): void {
    this._socket.destroy();
  }

  override _onClose(): void {
    clearTimeout(this.#deadline);
    super._onClose();
    this.#context.onEnd(this);
  }

  #checkFirst(first: Buffer): void {
    if (isTls(first)) this.emit('error', Object.assign(new Error('TLS before STARTTLS'), { code: TLS_TOO_EARLY }));
  }

  #report(code: number, enhanced: string | undefined): void {
    this.#context.onReply({ code, ...(enhanced && { enhanced }) }, this);
  }

  #count(code: number, text?: string | string[] | null): void {
    const { limits, isKnown } = this.#context;
    const accepted = code === 250 && typeof text === 'string' && ACCEPTED.test(text);
    this.#replies = accepted ? 0 : this.#replies + 1;
    this.#errors = accepted ? 0 : this.#errors + (code >= 500 ? 1 : 0);
    const most = isKnown(this.session) ? limits.replies : limits.repliesBeforeLogin;
    if (this.#errors >= limits.errors) this.send(CLOSING, '4.7.0 Too many errors');
    else if (this.#replies >= most) this.send(CLOSING, '4.7.0 Too many commands without a message');
  }
}
