/** Opens and closes the ports of both simulators. */
import type { AddressInfo, Server } from 'node:net';

/** Listens and returns the port: a free one if 0 was given. */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Stops listening, calls `disconnect` to end open connections, and waits for their end. May be called twice. */
export function closeServer(server: Server, disconnect: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    server.close(() => resolve());
    disconnect();
  });
}
