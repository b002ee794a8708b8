/** The baselines as processes: what a user would write or use instead of relay365. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Program, start, untilReady } from './process.ts';
import { freePort } from './redis.ts';
import type { Scene } from './scene.ts';

export async function openNaiveApi(scene: Scene): Promise<{ readonly url: string } & Program> {
  const PORT = String(await freePort());
  const api = open(scene, 'naive-api', { PORT });
  const url = `http://127.0.0.1:${PORT}`;
  await untilReady(`${url}/health/ready`, join(scene.dir, 'naive-api'));
  return { ...api, url };
}

export function openNaiveWorker(scene: Scene): Program {
  return open(scene, 'naive-worker', {});
}

/** Answers `{messages}` when it has sent that many. */
export function openReadyBytes(scene: Scene): Program {
  return open(scene, 'ready-bytes', {});
}

function open({ dir: parent, redis, sink, keep }: Scene, name: string, env: Readonly<Record<string, string>>): Program {
  const dir = join(parent, name);
  mkdirSync(dir);
  const variables = { REDIS_URL: redis.url, SMTP_PORT: String(sink.port), NODE_EXTRA_CA_CERTS: sink.caFile };
  return keep(start({ file: `bench/baselines/${name}.ts`, dir, env: { ...variables, ...env } }));
}
