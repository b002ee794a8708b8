/** An SMTP client that sends what a test gives it, in the same pieces. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface Login {
  readonly user: string;
  readonly pass: string;
}

export interface TestMail {
  readonly from?: string;
  readonly to?: readonly string[];
  /** Without its final dot. */
  readonly data: string | Buffer;
}

interface StartTls extends SecureContextOptions {
  /** Goes out in clear text, in the same packet as STARTTLS. */
  readonly injected?: string;
  readonly check?: boolean;
}

export class TestClient {
  #socket: Socket;
  #received = '';
  #ended = false;
  #wake: () => void = () => undefined;
  readonly #closed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
    onTestFinished(() => this.end());
  }

  /** Resolves when the server has ended the connection. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** The certificate's serial number. */
  get serial(): string {
    return (this.#socket as TLSSocket).getPeerCertificate().serialNumber;
  }

  /** Writes bytes as they are. */
  write(bytes: string | Buffer): void {
    this.#socket.write(bytes);
  }

  /** The next whole reply, its lines parted by \n; empty once the server has ended the connection. */
  async reply(): Promise<string> {
    for (;;) {
      const [whole] = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#received) ?? [];
      if (whole !== undefined) {
        this.#received = this.#received.slice(whole.length);
        return whole.trimEnd().replaceAll('\r', '');
      }
      if (this.#ended) return '';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Reads replies up to the one that begins so. @throws Error when the server ends the connection before. */
  async until(start: string): Promise<void> {
    for (let reply = await this.reply(); !reply.startsWith(start); reply = await this.reply())
      if (reply === '') throw new Error(`The connection ended without: ${start}`);
  }

  /** Writes a line and answers with the reply to it. */
  say(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  greet(): Promise<string> {
    return this.say('EHLO client.example');
  }

  async startTls({ injected = '', check = true, ...options }: StartTls = {}): Promise<string> {
    await this.say(`STARTTLS${injected && `\r\n${injected}`}`);
    this.#socket.removeAllListeners();
    this.#socket = connectTls({ ...options, socket: this.#socket, servername: 'localhost', rejectUnauthorized: check });
    this.#listen();
    await once(this.#socket, 'secureConnect');
    return this.greet();
  }

  logIn({ user, pass }: Login): Promise<string> {
    return this.say(`AUTH PLAIN ${Buffer.from(`\0${user}\0${pass}`).toString('base64')}`);
  }

  /** A whole mail; answers with the reply to it, or with the first refusal before. */
  async send({ from = 'sandbox@relay365.example', to = ['someone@example.com'], data }: TestMail): Promise<string> {
    for (const line of [`MAIL FROM:<${from}>`, ...to.map((one) => `RCPT TO:<${one}>`), 'DATA']) {
      const reply = await this.say(line);
      if (!/^[23]/.test(reply)) return reply;
    }
    this.write(data);
    return this.say('\r\n.');
  }

  end(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    this.#socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    this.#socket.on('error', () => undefined);
    for (const event of ['end', 'close']) this.#socket.on(event, () => this.#end());
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
    this.#closed.resolve();
  }
}

/** A client that the server has not greeted yet. */
export function openClient(port: number): TestClient {
  return new TestClient(connect(port, '127.0.0.1'));
}

/** A client that has been greeted with 220. */
export async function connectClient(port: number, { tls = false, check = true } = {}): Promise<TestClient> {
  const options = { host: 'localhost', port, rejectUnauthorized: check };
  const client = tls ? new TestClient(connectTls(options)) : openClient(port);
  await client.reply();
  return client;
}

/** The id in the reply to a mail that was queued. */
export function idOf(reply: string): string {
  const id = /^250 2\.0\.0 Ok: queued as (\S+)$/.exec(reply)?.[1];
  if (id === undefined) throw new Error(`Not queued: ${reply}`);
  return id;
}
