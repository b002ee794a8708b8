/** Exchange: drops, silence, slowness and refusals at each stage of the dialogue. */
import type { Stage } from '../../src/sandbox/exchange-script.ts';
import { MAILBOXES } from '../world.ts';
import { exchangeFault, type Fault } from './fault.ts';

const SILENCE_MS = 5_000;
const STAGES_OF_A_MESSAGE: readonly Stage[] = ['mail', 'rcpt', 'data', 'end'];
/** A connection that breaks here holds its mailbox, each time for longer, so once is enough. */
const STAGES_BEFORE_IT: readonly Stage[] = ['connect', 'ehlo', 'starttls', 'auth'];

export const EXCHANGE_FAULTS: readonly Fault[] = [
  ...STAGES_BEFORE_IT.map((stage) =>
    exchangeFault(`Exchange: drops at ${stage}`, [2_000, 4_000], () => ({ stage, drop: true })),
  ),
  ...STAGES_OF_A_MESSAGE.map((stage) =>
    exchangeFault(`Exchange: drops at ${stage}`, [2_000, 4_000], (random) => ({
      stage,
      drop: true,
      times: random.whole(1, 4),
    })),
  ),
  ...STAGES_OF_A_MESSAGE.map((stage) =>
    exchangeFault(`Exchange: silent at ${stage}, drops`, [6_000, 9_000], () => ({
      stage,
      drop: true,
      delayMs: SILENCE_MS,
      times: 2,
    })),
  ),
  ...STAGES_BEFORE_IT.map((stage) => ({
    isLong: true as const,
    ...exchangeFault(`Exchange: silent at ${stage}, drops`, [6_000, 9_000], () => ({
      stage,
      drop: true,
      delayMs: SILENCE_MS,
      times: 2,
    })),
  })),
  ...[...STAGES_BEFORE_IT, ...STAGES_OF_A_MESSAGE].map((stage) =>
    exchangeFault(`Exchange: slow at ${stage}`, [3_000, 6_000], (random) => ({
      stage,
      delayMs: random.whole(200, 1_500),
      times: Number.POSITIVE_INFINITY,
    })),
  ),
  exchangeFault('Exchange: takes it, drops', [2_000, 4_000], (random) => ({
    stage: 'end',
    accept: true,
    drop: true,
    times: random.whole(1, 4),
  })),
  exchangeFault('Exchange: takes it, silent, drops', [6_000, 9_000], () => ({
    stage: 'end',
    accept: true,
    drop: true,
    delayMs: SILENCE_MS,
    times: 2,
  })),
  exchangeFault('Exchange: refuses for now', [2_000, 4_000], (random) => ({
    stage: random.pick(['mail', 'data', 'end'] as const),
    reply: '451 4.7.0 Temporary server error. Please try again later. PRX5',
    times: random.whole(1, 5),
  })),
  exchangeFault('Exchange: refuses for good', [2_000, 4_000], () => ({
    stage: 'end',
    reply: '554 5.6.0 Corrupt message content',
    times: 2,
  })),
  exchangeFault('Exchange: refuses a recipient', [2_000, 4_000], () => ({
    stage: 'rcpt',
    reply: '550 5.1.10 Recipient not found',
    times: 3,
  })),
  exchangeFault('Exchange: ends the session', [2_000, 4_000], () => ({
    stage: 'mail',
    reply: '421 4.4.1 Connection timed out. Total session duration: 00:20:00.0000000',
    times: 3,
  })),
  {
    isLong: true,
    ...exchangeFault('Exchange: throttles', [4_000, 6_000], (random) => ({
      stage: 'mail',
      mailbox: random.pick(MAILBOXES),
      reply: '451 4.7.500 Server busy. Please try again later',
    })),
  },
  {
    isLong: true,
    ...exchangeFault('Exchange: too many connections', [4_000, 6_000], (random) => ({
      stage: 'data',
      mailbox: random.pick(MAILBOXES),
      reply: '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending.',
    })),
  },
  {
    name: 'Exchange: breaks all connections',
    ms: [0, 0],
    inject: async ({ sandbox }) => sandbox.exchange.disconnectAll(),
  },
];
