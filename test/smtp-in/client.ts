/** An SMTP client that says what a test tells it to, in the pieces in which it is told to. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface TestClient {
  /** Writes bytes as they are. */
  write(bytes: string | Buffer): void;
  /** The next whole reply, without its line ends; empty once the server has ended the connection. */
  reply(): Promise<string>;
  /** Writes a line and answers with the reply to it. */
  say(line: string): Promise<string>;
  greet(): Promise<string>;
  startTls(): Promise<string>;
  logIn(login: { readonly user: string; readonly pass: string }): Promise<string>;
  /** A whole mail; answers with the last reply. */
  send(mail: {
    readonly from?: string;
    readonly to?: readonly string[];
    readonly data: string | Buffer;
  }): Promise<string>;
  readonly closed: Promise<unknown>;
  end(): void;
}

const WHOLE_REPLY = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/;

/** A client that has been greeted with 220, in clear text or in TLS. */
export async function connectClient(port: number, options: { readonly tls?: boolean; readonly local?: string } = {}) {
  const client = openClient(port, options);
  await client.reply();
  return client;
}

export function openClient(port: number, { tls = false }: { readonly tls?: boolean } = {}): TestClient {
  let socket: Socket = tls ? connectTls(port, 'localhost') : connect(port, '127.0.0.1');
  let received = '';
  let ended = false;
  let wake: () => void = () => undefined;
  const closed = Promise.withResolvers<void>();
  const end = () => {
    ended = true;
    wake();
    closed.resolve();
  };
  const listen = () => {
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', end);
    socket.on('end', end);
  };
  listen();
  onTestFinished(() => {
    socket.destroy();
  });
  const reply = async (): Promise<string> => {
    for (;;) {
      const [whole] = WHOLE_REPLY.exec(received) ?? [];
      if (whole !== undefined) {
        received = received.slice(whole.length);
        return whole.trimEnd().replaceAll('\r', '');
      }
      if (ended) return '';
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const say = (line: string) => {
    socket.write(`${line}\r\n`);
    return reply();
  };
  const greet = () => say('EHLO client.example');
  return {
    write: (bytes) => void socket.write(bytes),
    reply,
    say,
    greet,
    startTls: async () => {
      await say('STARTTLS');
      socket.removeAllListeners();
      socket = connectTls({ socket, host: 'localhost', servername: 'localhost' });
      listen();
      await once(socket, 'secureConnect');
      return greet();
    },
    logIn: ({ user, pass }) => say(`AUTH PLAIN ${Buffer.from(`\0${user}\0${pass}`).toString('base64')}`),
    send: async ({ from = 'sandbox@relay365.example', to = ['someone@example.com'], data }) => {
      const replies = [await say(`MAIL FROM:<${from}>`)];
      for (const one of to) replies.push(await say(`RCPT TO:<${one}>`));
      replies.push(await say('DATA'));
      const refused = replies.find((one) => !/^[23]/.test(one));
      if (refused !== undefined) return refused;
      socket.write(data);
      socket.write('\r\n.\r\n');
      return reply();
    },
    closed: closed.promise,
    end: () => void socket.destroy(),
  };
}

/** The id in the reply to a mail that was queued. */
export function idOf(reply: string): string {
  const id = /^250 2\.0\.0 OK queued as (\S+)$/.exec(reply)?.[1];
  if (id === undefined) throw new Error(`Not queued: ${reply}`);
  return id;
}
