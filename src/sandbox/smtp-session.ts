/**
 * One SMTP connection: its sockets, its timeouts and its replies. Commands are answered one after the other, and a
 * scripted rule for a command's stage can change its reply. What the commands do is in smtp-dialogue.ts.
 */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { type ExchangeRule, type SessionView, type Stage, takeRule } from './exchange-script.ts';
import type { ExchangeLimits } from './limits.ts';
import type { Credentials, LoginCheck } from './login.ts';
import type { Mailbox } from './mailbox.ts';
import type { TakenMessage } from './message-store.ts';
import * as replies from './replies.ts';
import { pause, type Script } from './script.ts';
import { SmtpReader } from './smtp-reader.ts';
import type { Submission } from './submission.ts';

/** How a transaction ended. `unknown`: accepted, but the client did not get the reply. */
export type AttemptOutcome = 'accepted' | 'refused' | 'dropped' | 'unknown' | 'abandoned';

export interface Attempt {
  readonly at: Date;
  readonly session: string;
  readonly mailbox: string;
  readonly from: string;
  readonly recipients: readonly string[];
  readonly outcome: AttemptOutcome;
  /** The reply to the client. */
  readonly reply?: string;
  /** The message's number, if it was accepted. */
  readonly n?: number;
}

/** What a session needs from its Exchange. */
export interface SessionHost {
  readonly secureContext: SecureContext;
  readonly script: Script<ExchangeRule>;
  now(): number;
  limitsOf(mailbox: Mailbox | undefined): ExchangeLimits;
  login(credentials: Credentials): Promise<LoginCheck>;
  /** Accepts a checked message. `slot` is the time at which it counts towards the rate. */
  take(submission: Submission, slot: number): TakenMessage;
  noteLogin(session: SessionView, reply: string): void;
  noteAttempt(attempt: Attempt): void;
}

export interface Transaction {
  readonly from: string;
  readonly recipients: string[];
  /** The chunks of BDAT so far. */
  readonly chunks: Buffer[];
  taken?: TakenMessage;
  lastRefusal?: string;
}

/** A reply, and what to do after it was sent, if it is positive. */
export interface Answer {
  readonly reply: string;
  readonly next?: () => void | Promise<void>;
}

/** What a command refers to, for the rules and the log. */
export interface Subject {
  readonly mailbox?: string;
  readonly from?: string;
  readonly recipient?: string;
}

export class SmtpSession {
  readonly id = replies.newSessionId();
  readonly host: SessionHost;
  client: string | undefined;
  mailbox: Mailbox | undefined;
  transaction: Transaction | undefined;
  taken = 0;
  #socket: Socket;
  #reader: SmtpReader;
  #timer: NodeJS.Timeout | undefined;
  #isWaiting = false;
  readonly #openedAt = Date.now();
  readonly #gone = new AbortController();

  constructor(socket: Socket, host: SessionHost) {
    this.host = host;
    this.#socket = socket;
    this.#reader = this.#attach(socket);
  }

  get secure(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? '127.0.0.1';
  }

  get limits(): ExchangeLimits {
    return this.host.limitsOf(this.mailbox);
  }

  /** Aborts when the connection is closed by either side. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get reader(): SmtpReader {
    return this.#reader;
  }

  get now(): Date {
    return new Date(this.host.now());
  }

  view(subject: Subject = {}): SessionView {
    return {
      id: this.id,
      secure: this.secure,
      client: this.client,
      mailbox: subject.mailbox ?? this.mailbox?.address,
      from: subject.from ?? this.transaction?.from,
      recipients: [...(this.transaction?.recipients ?? [])],
      taken: this.taken,
    };
  }

  /** Answers a command. A scripted rule for its stage can change the reply. */
  async perform(stage: Stage, handle: () => Answer | Promise<Answer>, subject: Subject = {}): Promise<void> {
    const session = this.view(subject);
    const rule = takeRule(this.host.script, { stage, session, recipient: subject.recipient });
    const answer = rule ? await this.#underRule(rule, handle) : await handle();
    this.#note(stage, answer?.reply, session);
    if (!answer) return this.destroy();
    await this.answer(answer);
  }

  /** Sends a reply. After 421 and 221 the connection is closed. */
  async answer({ reply, next }: Answer): Promise<void> {
    if (this.gone.aborted) return;
    this.#socket.write(`${reply.replace(/\r?\n/g, '\r\n')}\r\n`);
    if (/^(421|221)/.test(reply)) return this.close();
    if (isPositive(reply)) await next?.();
  }

  /** Waits for the client, within the limits for idle time and session time. */
  async wait<T>(reading: Promise<T>): Promise<T> {
    this.#isWaiting = true;
    this.rearm();
    try {
      return await reading;
    } finally {
      this.#isWaiting = false;
      clearTimeout(this.#timer);
    }
  }

  /** Restarts the timeout: the client sent something, or the limits changed. */
  rearm(): void {
    if (!this.#isWaiting) return;
    clearTimeout(this.#timer);
    const { sessionMs, idleMs } = this.limits;
    const leftMs = orInfinity(sessionMs) - (Date.now() - this.#openedAt);
    const silenceMs = orInfinity(idleMs);
    if (Math.min(leftMs, silenceMs) === Infinity) return;
    const isOld = leftMs < silenceMs;
    this.#timer = setTimeout(
      () => this.#expire(isOld ? sessionMs : undefined),
      Math.max(0, Math.min(leftMs, silenceMs)),
    );
  }

  /** Upgrades the connection to TLS. What the client sent ahead of TLS is not read. */
  async startTls(): Promise<void> {
    this.#reader.detach();
    const secure = new TLSSocket(this.#socket, { isServer: true, secureContext: this.host.secureContext });
    this.#socket = secure;
    this.#reader = this.#attach(secure);
    this.client = undefined;
    await this.wait(
      new Promise((resolve) => {
        secure.once('secure', resolve);
        this.gone.addEventListener('abort', resolve, { once: true });
      }),
    );
  }

  /** Closes after all pending output was sent. */
  close(): void {
    this.#socket.destroySoon();
  }

  /** Closes at once. To the client this looks like a broken connection. */
  destroy(): void {
    this.#socket.destroy();
  }

  #attach(socket: Socket): SmtpReader {
    socket.on('close', () => this.#gone.abort());
    // An error is followed by 'close'.
    socket.on('error', () => {});
    socket.on('data', () => this.rearm());
    return new SmtpReader(socket);
  }

  #expire(sessionMs: number | undefined): void {
    const reply =
      sessionMs === undefined
        ? replies.idleTimeout(this.now, this.id)
        : replies.sessionTimeout(sessionMs, this.now, this.id);
    void this.answer({ reply });
  }

  /** The answer under a rule. Undefined if the connection is dropped or closed. */
  async #underRule(rule: ExchangeRule, handle: () => Answer | Promise<Answer>): Promise<Answer | undefined> {
    const early = rule.accept ? await handle() : undefined;
    if (rule.delayMs !== undefined) await pause(rule.delayMs, this.gone);
    if (rule.drop || this.gone.aborted) return undefined;
    if (!early && rule.reply !== undefined && !isPositive(rule.reply)) return { reply: rule.reply };
    const answer = early ?? (await handle());
    return rule.reply === undefined || !isPositive(answer.reply) ? answer : { ...answer, reply: rule.reply };
  }

  /** Logs logins and attempts: one attempt for each transaction. */
  #note(stage: Stage, reply: string | undefined, session: SessionView): void {
    const failed = reply === undefined || !isPositive(reply);
    if (stage === 'auth') this.host.noteLogin(session, reply ?? '');
    if (stage === 'rcpt' && failed && this.transaction && reply !== undefined) this.transaction.lastRefusal = reply;
    if (stage === 'mail' && failed) this.#noteAttempt(outcomeOf(reply), reply, session);
    if (stage === 'end' || (stage === 'data' && failed))
      this.endTransaction(outcomeOf(reply, this.transaction?.taken), reply);
  }

  /** Ends the transaction, if there is one, and logs its outcome. */
  endTransaction(outcome: AttemptOutcome, reply?: string): void {
    if (!this.transaction) return;
    this.#noteAttempt(outcome, reply ?? this.transaction.lastRefusal, this.view(), this.transaction.taken?.n);
    this.transaction = undefined;
  }

  #noteAttempt(outcome: AttemptOutcome, reply: string | undefined, session: SessionView, n?: number): void {
    this.host.noteAttempt({
      at: this.now,
      session: this.id,
      mailbox: session.mailbox ?? '',
      from: session.from ?? '',
      recipients: session.recipients,
      outcome: this.gone.aborted && outcome === 'accepted' ? 'unknown' : outcome,
      ...(reply !== undefined && { reply }),
      ...(n !== undefined && { n }),
    });
  }
}

/** 2xx, and 3xx, which asks for more. */
export function isPositive(reply: string): boolean {
  return /^[23]/.test(reply);
}

function outcomeOf(reply: string | undefined, taken?: TakenMessage): AttemptOutcome {
  if (taken) return reply !== undefined && isPositive(reply) ? 'accepted' : 'unknown';
  return reply === undefined ? 'dropped' : 'refused';
}

function orInfinity(limit: number): number {
  return limit === 0 ? Infinity : limit;
}
