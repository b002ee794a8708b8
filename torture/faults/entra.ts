/** Entra: tokens that expire early, and a token endpoint that is down, throttles or answers garbage. */
import { setTimeout as delay } from 'node:timers/promises';
import type { EntraRule } from '../../src/sandbox/entra-server.ts';
import { SECRET, type World } from '../world.ts';
import type { Fault } from './fault.ts';

const TOKEN_LIFETIME_SECONDS = 3_599;

export const ENTRA_FAULTS: readonly Fault[] = [
  { name: 'Entra: revokes all tokens', ms: [0, 0], inject: async (world) => renewTokens(world) },
  {
    name: 'Entra: tokens live for seconds',
    ms: [5_000, 9_000],
    inject: async (world, _random, forMs) => {
      world.sandbox.entra.setTokenLifetime(2);
      renewTokens(world);
      await delay(forMs);
      world.sandbox.entra.setTokenLifetime(TOKEN_LIFETIME_SECONDS);
    },
  },
  answersWith('Entra: down', { drop: true }),
  answersWith('Entra: answers garbage', { garbage: true }),
  answersWith('Entra: throttles', { error: 'throttled', retryAfterSeconds: 1 }),
  {
    name: 'Entra: secret expired',
    ms: [1_000, 3_000],
    isLong: true,
    inject: async (world, _random, forMs) => {
      const { entra, mailbox } = world.sandbox;
      entra.setSecrets(mailbox.clientId, { value: SECRET, expired: true });
      renewTokens(world);
      await delay(forMs);
      entra.setSecrets(mailbox.clientId, SECRET);
    },
  },
];

/** Makes each worker request a token soon. */
function renewTokens({ sandbox: { entra, exchange } }: World): void {
  entra.revokeTokens();
  exchange.disconnectAll();
}

function answersWith(name: string, rule: EntraRule): Fault {
  return {
    name,
    ms: [1_000, 3_000],
    inject: async (world, _random, forMs) => {
      const remove = world.sandbox.entra.script({ ...rule, times: 2 });
      renewTokens(world);
      await delay(forMs);
      remove();
    },
  };
}
