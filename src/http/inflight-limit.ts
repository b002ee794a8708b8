/**
 * How much of the memory the bodies that are being received may take, of all clients and of one. Small ones are not
 * counted: whoever fills the room with large requests that never end keeps nobody's small mails out.
 */
import { Transform } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RequestError } from './problems.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Takes room for so many more bytes of the body. @throws RequestError when there is none. */
    holdBytes: (bytes: number) => void;
  }
}

export interface ReceivingLimits {
  readonly bytesMax: number;
  readonly bytesOfClientMax: number;
  /** A body up to this size is small. */
  readonly smallBytesMax: number;
}

const MEGABYTE = 1024 ** 2;

export const RECEIVING_LIMITS: ReceivingLimits = {
  bytesMax: 256 * MEGABYTE,
  bytesOfClientMax: 192 * MEGABYTE,
  smallBytesMax: MEGABYTE / 16,
};

/** For the routes of this scope, whose clients are known. */
export function limitReceiving(app: FastifyInstance, limits: ReceivingLimits): void {
  const room = makeRoom(limits);
  app.decorateRequest('holdBytes');
  app.addHook('onRequest', async (request, reply) => {
    const { client, headers, routeOptions } = request;
    let own = 0;
    let held = 0;
    request.holdBytes = (bytes) => {
      own += bytes;
      if (own <= limits.smallBytesMax) return;
      if (!room.take(client.name, own - held, held)) throw new RequestError('receiving-full', {});
      held = own;
    };
    reply.raw.once('close', () => room.give(client.name, held));
    // More than the route reads is refused for its size.
    request.holdBytes(Math.min(Number(headers['content-length'] ?? 0), routeOptions.bodyLimit ?? 0));
  });
  app.addHook('preParsing', async (request, _reply, payload) =>
    hasNoLength(request) && !isForm(request) ? payload.pipe(countBytes(request)) : payload,
  );
}

/** Whether the body tells its size only by its end: its bytes are counted as they come. */
export function hasNoLength({ headers }: FastifyRequest): boolean {
  return headers['content-length'] === undefined && headers['transfer-encoding'] !== undefined;
}

/** Forms are read past Fastify's own stream: forms.ts counts them. */
function isForm({ headers }: FastifyRequest): boolean {
  return headers['content-type']?.startsWith('multipart/') ?? false;
}

function countBytes(request: FastifyRequest): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      try {
        request.holdBytes(chunk.length);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

interface Room {
  /** Room for more bytes of a request that holds some; false when there is none. One that is alone always has room. */
  take(client: string, bytes: number, held: number): boolean;
  give(client: string, bytes: number): void;
}

function makeRoom({ bytesMax, bytesOfClientMax }: ReceivingLimits): Room {
  const byClient = new Map<string, number>();
  let all = 0;
  const of = (client: string) => byClient.get(client) ?? 0;
  const add = (client: string, bytes: number) => {
    all += bytes;
    byClient.set(client, of(client) + bytes);
    if (of(client) === 0) byClient.delete(client);
  };
  return {
    take: (client, bytes, held) => {
      const isRoom = all === held || all + bytes <= bytesMax;
      const isRoomOfClient = of(client) === held || of(client) + bytes <= bytesOfClientMax;
      if (isRoom && isRoomOfClient) add(client, bytes);
      return isRoom && isRoomOfClient;
    },
    give: (client, bytes) => add(client, -bytes),
  };
}
