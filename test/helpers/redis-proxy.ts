/** A proxy to a Redis on a Unix socket. It can be cut, as when a network fails: nothing gets through, and no connection ends. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface RedisProxy {
  /** `redis://127.0.0.1:PORT` */
  readonly url: string;
  cut(): void;
  /** Ends the connections that were cut. New ones get through. */
  restore(): void;
  close(): void;
}

export async function openRedisProxy(path: string): Promise<RedisProxy> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(path);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined).on('close', () => sockets.delete(one) && other.destroy());
      if (!isCut) one.pipe(other);
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const restore = () => {
    isCut = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    cut: () => {
      isCut = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    restore,
    close: () => {
      server.close();
      restore();
    },
  };
}
