/**
 * The simulator of Exchange Online's client submission: a port that speaks SMTP as Exchange does, mailboxes with their
 * limits, and a script that makes it misbehave at any stage.
 */
import { createServer, type Server } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { ServerCertificate } from './certificate.ts';
import type { TokenCheck } from './entra-tokens.ts';
import type { ExchangeRule, SessionView } from './exchange-script.ts';
import { DEFAULT_LIMITS, type ExchangeLimits } from './limits.ts';
import { closeServer, listen } from './listen.ts';
import { type Credentials, DEFAULT_TENANT, checkLogin, type LoginCheck, type TenantSettings } from './login.ts';
import { Mailbox, type MailboxOptions, type MailboxPatch } from './mailbox.ts';
import {
  type MessageSummary,
  MessageStore,
  STORED_BYTES_MAX,
  STORED_MESSAGES_MAX,
  type TakenMessage,
} from './message-store.ts';
import { Script } from './script.ts';
import { converse } from './smtp-dialogue.ts';
import { type Attempt, type SessionHost, SmtpSession } from './smtp-session.ts';
import type { Submission } from './submission.ts';

export interface ExchangeOptions {
  readonly certificate: ServerCertificate;
  readonly host: string;
  readonly port: number;
  readonly tenantId: string;
  readonly now: () => number;
  readonly verifyToken: (token: string) => Promise<TokenCheck>;
  readonly limits?: Partial<ExchangeLimits>;
}

export interface Login {
  readonly mailbox: string;
  readonly reply: string;
}

export interface Exchange {
  readonly port: number;
  /** The accepted messages that it still keeps, oldest first. */
  readonly messages: readonly TakenMessage[];
  /** Every transaction since the start, and how it ended. */
  readonly attempts: readonly Attempt[];
  /** Every login since the start, refused ones included. */
  readonly logins: readonly Login[];
  addMailbox(mailbox: MailboxOptions): void;
  setMailbox(address: string, patch: MailboxPatch): void;
  setTenant(settings: Partial<TenantSettings>): void;
  setLimits(limits: Partial<ExchangeLimits>): void;
  /** How many connections are logged in as this mailbox, now and at most so far. */
  connections(address: string): { readonly peak: number; readonly open: number };
  /** Adds a rule for misbehaviour. The returned function removes it. */
  script(rule: ExchangeRule): () => void;
  clearScript(): void;
  /** Forgets all messages, attempts and logins, and the used parts of the limits. */
  forget(): void;
  /** Resolves once `done` is true. It is called again after every message, attempt and login. */
  waitFor(done: (exchange: Exchange) => boolean): Promise<void>;
  listMessages(): MessageSummary[];
  rawMessage(n: number): Uint8Array | undefined;
  /** Breaks every connection. */
  disconnectAll(): void;
  close(): Promise<void>;
}

/** The logs are for tests, and limited because a sandbox may run for weeks. */
const LOG_ENTRIES_MAX = 50_000;

/** Opens the simulator on loopback. */
export async function openExchange(options: ExchangeOptions): Promise<Exchange> {
  const { certificate, host, port } = options;
  const shared = new SharedState(options);
  const sessions = new Set<SmtpSession>();
  const server = createServer((socket) => {
    const session = new SmtpSession(socket, shared);
    sessions.add(session);
    session.gone.addEventListener('abort', () => sessions.delete(session), { once: true });
    // To the client, an error in a session looks like a broken connection.
    converse(session).catch(() => session.destroy());
  });
  shared.secureContext = createSecureContext({
    key: certificate.privateKey,
    cert: certificate.certificate,
    minVersion: 'TLSv1.2',
  });
  return makeExchange(shared, server, sessions, await listen(server, host, port));
}

/** What all sessions share. */
class SharedState implements SessionHost {
  secureContext = createSecureContext();
  readonly script = new Script<ExchangeRule>();
  readonly store = new MessageStore({ messagesMax: STORED_MESSAGES_MAX, bytesMax: STORED_BYTES_MAX });
  readonly mailboxes = new Map<string, Mailbox>();
  readonly attempts: Attempt[] = [];
  readonly logins: Login[] = [];
  readonly watchers = new Set<() => void>();
  tenant = DEFAULT_TENANT;
  limits: ExchangeLimits;
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
  }

  now(): number {
    return this.#options.now();
  }

  find(address: string): Mailbox | undefined {
    return this.mailboxes.get(address.toLowerCase());
  }

  limitsOf(mailbox: Mailbox | undefined): ExchangeLimits {
    return { ...this.limits, ...mailbox?.options.limits };
  }

  login(credentials: Credentials): Promise<LoginCheck> {
    const mailbox = this.find(credentials.user);
    const tenantId = mailbox?.options.tenantId ?? this.#options.tenantId;
    return checkLogin(credentials, { mailbox, tenantId, tenant: this.tenant, verifyToken: this.#options.verifyToken });
  }

  take({ mailbox, from, recipients, raw, headers, now }: Submission, slot: number): TakenMessage {
    mailbox.use(now, slot, recipients.length);
    const taken = this.store.add({ at: new Date(slot), mailbox: mailbox.address, from, recipients, raw }, headers);
    this.#notify();
    return taken;
  }

  noteLogin({ mailbox }: SessionView, reply: string): void {
    append(this.logins, { mailbox: mailbox ?? '', reply });
    this.#notify();
  }

  noteAttempt(attempt: Attempt): void {
    append(this.attempts, attempt);
    this.#notify();
  }

  #notify(): void {
    for (const watcher of this.watchers) watcher();
  }
}

function append<Entry>(log: Entry[], entry: Entry): void {
  log.push(entry);
  if (log.length > LOG_ENTRIES_MAX) log.splice(0, LOG_ENTRIES_MAX / 10);
}

function makeExchange(shared: SharedState, server: Server, sessions: ReadonlySet<SmtpSession>, port: number): Exchange {
  const disconnectAll = () => {
    for (const session of sessions) session.destroy();
  };
  const exchange: Exchange = {
    port,
    get messages() {
      return shared.store.messages;
    },
    attempts: shared.attempts,
    logins: shared.logins,
    addMailbox: (mailbox) => void shared.mailboxes.set(mailbox.address.toLowerCase(), new Mailbox(mailbox)),
    setMailbox: (address, patch) => changeMailbox(shared, address, patch),
    setTenant: (settings) => {
      shared.tenant = { ...shared.tenant, ...settings };
    },
    setLimits: (limits) => {
      shared.limits = { ...shared.limits, ...limits };
      for (const session of sessions) session.rearm();
    },
    connections: (address) => {
      const mailbox = shared.find(address);
      return { peak: mailbox?.sessionsPeak ?? 0, open: mailbox?.sessions.size ?? 0 };
    },
    script: (rule) => shared.script.add(rule),
    clearScript: () => shared.script.clear(),
    forget: () => forget(shared),
    waitFor: (done) => waitFor(shared, () => done(exchange)),
    listMessages: () => shared.store.list(),
    rawMessage: (n) => shared.store.find(n)?.raw,
    disconnectAll,
    close: () => closeServer(server, disconnectAll),
  };
  return exchange;
}

function changeMailbox(shared: SharedState, address: string, patch: MailboxPatch): void {
  const mailbox = shared.find(address);
  if (!mailbox) throw new Error(`The sandbox has no mailbox ${address}.`);
  mailbox.options = { ...mailbox.options, ...patch };
}

function forget(shared: SharedState): void {
  shared.store.clear();
  shared.attempts.length = 0;
  shared.logins.length = 0;
  for (const mailbox of shared.mailboxes.values()) mailbox.forgetUse();
}

function waitFor(shared: SharedState, done: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!done()) return;
      shared.watchers.delete(look);
      resolve();
    };
    shared.watchers.add(look);
    look();
  });
}
