/** latency: from the post to the sink's 250 on an idle service, compared with nodemailer on a warm connection. */
import { nowMs } from '../clock.ts';
import { MAIL } from '../mail.ts';
import { openTransport } from '../baselines/transport.ts';
import { compare, interleave, type Part, quantile } from '../measure.ts';
import { MAILBOX, openRelay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';

const MAILS_A_ROUND = 40;

export const latency: Part = async (bench) => {
  await using scene = await openScene();
  const relay = scene.keep(await openRelay(scene, bench));
  const transport = openTransport(scene.sink.port, 1, scene.sink.caCertificate);
  bench.say('latency of an idle service');
  const [ours = [], theirs = []] = await interleave(bench.rounds, [
    round(scene, async () => {
      await (await relay.request('POST', '/send', MAIL)).body?.cancel();
    }),
    round(scene, async () => {
      await transport.sendMail({ ...MAIL, from: MAILBOX });
    }),
  ]);
  transport.close();
  const at = (share: number, rounds: number[][]) => rounds.map((times) => quantile(times, share));
  const against = 'nodemailer, warm connection';
  return [
    {
      measure: 'post to accepted by the sink, idle, p50',
      unit: 'ms',
      ...compare(against, at(0.5, ours), at(0.5, theirs), 'difference'),
      goal: { atMost: 15 },
    },
    {
      measure: 'post to accepted by the sink, idle, p95',
      unit: 'ms',
      ...compare(against, at(0.95, ours), at(0.95, theirs), 'difference'),
    },
  ];
};

function round({ sink }: Scene, send: () => Promise<void>): () => Promise<number[]> {
  return async () => {
    const times: number[] = [];
    for (let n = 0; n < MAILS_A_ROUND; n += 1) {
      await sink.reset();
      const startedAt = nowMs();
      const taken = sink.taken(1);
      await send();
      times.push(((await taken).times[0] ?? 0) - startedAt);
    }
    return times;
  };
}
