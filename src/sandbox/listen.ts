/** Opens and closes a server's port, for both simulators. */
import type { AddressInfo, Server } from 'node:net';

/** Listens and answers with the port, which is another than asked for when that was 0. */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Stops to listen, lets `disconnect` end what is still open, and waits for it. A closed server stays closed. */
export function closeServer(server: Server, disconnect: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    server.close(() => resolve());
    disconnect();
  });
}
