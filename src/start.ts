/**
 * `npm start`: API and worker in one process, with an embedded Redis and the sandbox when none are configured. What is
 * opened first is closed last: the API stops accepting, the worker finishes, then Redis ends.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { type ApiRole, openApi } from './app/api-role.ts';
import type { Config } from './config/config.ts';
import type { MailboxConfig } from './config/mailbox-config.ts';
import { addressKey } from './core/message/address.ts';
import { CLOUDS } from './core/mailbox/clouds.ts';
import { enter } from './app/entry.ts';
import type { Logger } from './observe/log.ts';
import { openMetrics } from './observe/metrics.ts';
import { openEmbeddedRedis } from './queue/redis/embedded-redis.ts';
import { makeKeys, NAMESPACE } from './queue/redis/keys.ts';
import type { RedisLocation } from './queue/redis/client.ts';
import type { Lifetime } from './app/run.ts';
import { openSandbox, type Sandbox } from './sandbox/sandbox.ts';
import { openWorker } from './app/worker-role.ts';

/** The sandbox's port for SMTP: free also where Postfix has 587. */
const SMTP_IN_PORT = 2_525;

await enter('all', async (config, log, lifetime) => {
  const location = config.redis ?? (await embeddedRedis(config, log, lifetime));
  const sandbox = config.mailboxes.length > 0 ? undefined : await sandboxed(lifetime);
  const complete = sandbox ? { ...config, mailboxes: [sandboxMailbox(sandbox, config)] } : config;
  const keys = makeKeys(NAMESPACE);
  const metrics = openMetrics({ withProcess: true });
  const { stopping } = lifetime;
  const worker = await openWorker({ config: complete, location, keys, log, metrics, stopping, isOnly: !config.redis });
  lifetime.stack.defer(worker.close);
  const messages = sandbox && { list: sandbox.exchange.listMessages, raw: sandbox.exchange.rawMessage };
  const api = await openApi({
    config: complete,
    location,
    keys,
    log,
    metrics,
    ...(messages && { sandbox: messages }),
    ...(sandbox && { smtpInDefaults: { port: SMTP_IN_PORT, certificate: sandbox.certificate } }),
  });
  lifetime.stack.defer(api.close);
  lifetime.onReload(async (changed) => {
    if (sandbox) return;
    api.reload(changed);
    await worker.reload(changed);
  });
  welcome(api, complete, sandbox, log);
});

async function embeddedRedis(config: Config, log: Logger, { stack, fail }: Lifetime): Promise<RedisLocation> {
  const redis = await openEmbeddedRedis(config.dataDir, process.env['PATH'] ?? '');
  stack.defer(redis.close);
  redis.ended.then(fail, fail);
  log.info({ dataDir: config.dataDir }, 'embedded Redis ready: every accepted message is on disk before its 202');
  return { url: redis.url, sentinels: [], sentinelMaster: '', clusterNodes: [] };
}

/** The sandbox is reached like Exchange, by name and over TLS. Only the issuer of its certificate must be trusted. */
async function sandboxed({ stack }: Lifetime): Promise<Sandbox> {
  const sandbox = await openSandbox();
  stack.defer(sandbox.close);
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), sandbox.caCertificate]);
  return sandbox;
}

function sandboxMailbox({ mailbox, smtp, authorityHost }: Sandbox, config: Config): MailboxConfig {
  const { address, tenantId, clientId, clientSecret } = mailbox;
  return {
    mailbox: { id: addressKey(address), address, sendAs: [], limits: config.limits },
    host: smtp.host,
    port: smtp.port,
    unknown: 'retry',
    login: {
      kind: 'oauth',
      application: {
        tenantId,
        clientId,
        credential: { kind: 'secret', secret: clientSecret },
        authorityHost,
        scope: CLOUDS.global.scope,
      },
    },
  };
}

function welcome(
  { url, smtpIn }: ApiRole,
  { mailboxes, dataDir }: Config,
  sandbox: Sandbox | undefined,
  log: Logger,
): void {
  log.info(`API ready at ${url}, its documentation at ${url}/docs`);
  if (sandbox) {
    log.warn(
      'SANDBOX: NO MAIL LEAVES THIS MACHINE. M365_MAILBOX is not set, so a simulated Exchange receives every message.',
    );
    log.warn(
      `SANDBOX: received messages are at ${url}/sandbox/messages. To send for real, see "Connect your tenant" in README.md.`,
    );
    if (smtpIn) log.warn(smtpHint(smtpIn, caFile(sandbox, dataDir)));
  } else {
    for (const { mailbox, host, port } of mailboxes) log.info(`sending as ${mailbox.address} through ${host}:${port}`);
  }
}

function smtpHint({ port, tlsPort }: NonNullable<ApiRole['smtpIn']>, file: string): string {
  return `SANDBOX: programs that speak SMTP send to localhost:${port ?? tlsPort}. If they check certificates, let them trust ${file}.`;
}

/** The authority is new with each start. */
function caFile({ caCertificate }: Sandbox, dataDir: string): string {
  const file = join(dataDir, 'sandbox-ca.pem');
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(file, caCertificate);
  return file;
}
