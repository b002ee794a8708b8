/** The benchmark's side of the sink: where it is, and what it has accepted. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, start } from '../process.ts';

/** It is not secret: it opens only the sink. */
export const APPLICATION = {
  tenantId: '0f365000-5a4d-4b0c-8000-000000000001',
  clientId: '0f365000-5a4d-4b0c-8000-000000000002',
  clientSecret: 'a-secret-of-the-benchmark-and-of-nothing-else',
};

export interface SinkAddress {
  readonly port: number;
  readonly authorityHost: string;
  readonly caCertificate: string;
}

/** What the sink has accepted since it was reset. */
export interface Taken {
  /** When each message was accepted, on the clock of clock.ts. */
  readonly times: readonly number[];
  /** The maximum number of connections that were open at a time. */
  readonly connectionsPeak: number;
  readonly cpuMs: number;
}

export type Question =
  | { readonly kind: 'address' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'taken'; readonly messages: number };

export interface Sink extends SinkAddress {
  readonly pid: number;
  /** A file with the certificate that its clients must trust. */
  readonly caFile: string;
  reset(): Promise<void>;
  /** Waits until it has accepted this many messages since it was reset. */
  taken(messages: number): Promise<Taken>;
  close(): Promise<void>;
}

export async function openSink(parent: string): Promise<Sink> {
  const dir = join(parent, 'sink');
  mkdirSync(dir, { recursive: true });
  const program: Program = start({ file: 'bench/sink/sink-process.ts', env: {}, dir });
  const ask = <Answer>(question: Question) => program.ask<Answer>(question);
  const address = await ask<SinkAddress>({ kind: 'address' });
  const caFile = join(dir, 'ca.pem');
  writeFileSync(caFile, address.caCertificate);
  return {
    ...address,
    pid: program.pid,
    caFile,
    reset: async () => {
      await ask({ kind: 'reset' });
    },
    taken: (messages) => ask({ kind: 'taken', messages }),
    close: program.close,
  };
}

/** Messages a second, from the first to the last. */
export function rateOf({ times }: Taken): number {
  const [first = 0] = times;
  return ((times.length - 1) / ((times.at(-1) ?? 0) - first)) * 1_000;
}

/** How much of one core the sink used. Near 1 it would be the bottleneck. */
export function shareOfCore({ times, cpuMs }: Taken): number {
  return cpuMs / ((times.at(-1) ?? 0) - (times[0] ?? 0));
}
