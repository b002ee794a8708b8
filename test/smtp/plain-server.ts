/** SMTP servers that are not Exchange: they answer as given, without TLS, and record what they receive. */
import { createServer, type Socket } from 'node:net';
import type { AtEnd } from '../helpers/service.ts';
import { closeServer, listen } from '../../src/sandbox/listen.ts';

export interface PlainServer {
  readonly port: number;
  /** All that clients sent. */
  readonly heard: string;
}

/** Offers an unencrypted login and does not know STARTTLS. */
export const WITHOUT_STARTTLS = [
  ['EHLO', '250-plain.example\r\n250 AUTH LOGIN XOAUTH2'],
  ['', '502 5.3.3 Command not implemented'],
] as const;

/** Listens until the end. The answer to a command is that of the first entry that the command begins with. */
export async function openPlainServer(
  answers: readonly (readonly [command: string, answer: string])[],
  atEnd: AtEnd,
  banner = '220 plain.example ESMTP',
): Promise<PlainServer> {
  let heard = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.write(`${banner}\r\n`);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      const said = chunk.toString('latin1');
      heard += said;
      const answer = answers.find(([command]) => said.startsWith(command))?.[1];
      if (answer !== undefined) socket.write(`${answer}\r\n`);
    });
  });
  const port = await listen(server, '127.0.0.1', 0);
  atEnd(() => closeServer(server, () => sockets.forEach((socket) => void socket.destroy())));
  return {
    port,
    get heard() {
      return heard;
    },
  };
}
