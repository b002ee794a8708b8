/**
 * Limits the memory for bodies that are being received, of all clients and of one. Small bodies are not counted: a client
 * with large requests that never end cannot keep out small messages.
 */
import { Transform } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RequestError } from './problems.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Reserves memory for more bytes of the body. @throws RequestError when the limit is reached. */
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

/** Applies to the routes of this scope, whose clients are known. */
export function limitReceiving(app: FastifyInstance, limits: ReceivingLimits): void {
  const memory = openMemory(limits);
  app.decorateRequest('holdBytes');
  app.addHook('onRequest', async (request, reply) => {
    const { client, headers, routeOptions } = request;
    let own = 0;
    let held = 0;
    request.holdBytes = (bytes) => {
      own += bytes;
      if (own <= limits.smallBytesMax) return;
      if (!memory.take(client.name, own - held, held)) throw new RequestError('receiving-full', {});
      held = own;
    };
    reply.raw.once('close', () => memory.give(client.name, held));
    // A body beyond the route's limit is refused for its size.
    request.holdBytes(Math.min(Number(headers['content-length'] ?? 0), routeOptions.bodyLimit ?? 0));
  });
  app.addHook('preParsing', async (request, _reply, payload) =>
    hasNoLength(request) && !isForm(request) ? payload.pipe(countBytes(request)) : payload,
  );
}

/** Whether the size of the body is unknown until its end: its bytes are counted as they come. */
export function hasNoLength({ headers }: FastifyRequest): boolean {
  return headers['content-length'] === undefined && headers['transfer-encoding'] !== undefined;
}

/** Forms do not pass through Fastify's own stream: forms.ts counts them. */
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

interface Memory {
  /** Reserves more bytes for a request that holds some; false at the limit. A request without others is always admitted. */
  take(client: string, bytes: number, held: number): boolean;
  give(client: string, bytes: number): void;
}

function openMemory({ bytesMax, bytesOfClientMax }: ReceivingLimits): Memory {
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
      const fitsAll = all === held || all + bytes <= bytesMax;
      const fitsClient = of(client) === held || of(client) + bytes <= bytesOfClientMax;
      if (fitsAll && fitsClient) add(client, bytes);
      return fitsAll && fitsClient;
    },
    give: (client, bytes) => add(client, -bytes),
  };
}
