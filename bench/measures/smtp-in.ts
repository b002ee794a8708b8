/** smtp-in: how fast messages are queued by SMTP, compared with Haraka, which writes to disk, and a sink that keeps nothing. */
import { openHaraka } from '../baselines/haraka.ts';
import { type Bench, compare, interleave, type Part, type Row } from '../measure.ts';
import { freePort } from '../redis.ts';
import { openRelay } from '../relay365.ts';
import { openScene, type Scene } from '../scene.ts';
import { hasSmtpSource, openSmtpSink, sendBySmtp, type SmtpServer } from '../smtp-source.ts';

const MAILS = 1_500;
const WHAT = { measure: 'SMTP in to queue, fsync always', unit: 'mails/s' };

export const smtpIn: Part = async (bench) => {
  if (!hasSmtpSource()) {
    bench.say('smtp-in is skipped: it needs smtp-source and smtp-sink (in Debian: postfix)');
    return [];
  }
  await using scene = await openScene();
  const ours = await openOurs(scene, bench);
  const sink = scene.keep(await openSmtpSink());
  bench.say('smtp-in: npm installs Haraka');
  const haraka = await openHaraka(scene.dir).then(
    (server) => scene.keep(server),
    (error: Error) => error,
  );
  bench.say('smtp-in');
  return haraka instanceof Error
    ? withoutHaraka(await measure(bench, scene, ours, [sink]), haraka)
    : await measure(bench, scene, ours, [sink, haraka]);
};

const NAMES = ['smtp-source → smtp-sink', 'Haraka, queue on disk'];

async function measure(
  { rounds }: Bench,
  { redis }: Scene,
  port: number,
  others: readonly SmtpServer[],
): Promise<Row[]> {
  const ours = async () => {
    await redis.clear();
    return sendBySmtp({ port }, MAILS);
  };
  const [mine = [], ...theirs] = await interleave(rounds, [ours, ...others.map((one) => () => sendBySmtp(one, MAILS))]);
  return theirs.map((rates, n) => ({ ...WHAT, ...compare(NAMES[n] ?? '', mine, rates) }));
}

function withoutHaraka(rows: readonly Row[], { message }: Error): Row[] {
  const note = `Haraka could not be installed: ${message.split('\n')[0]}`;
  return rows.map((row) => ({ ...row, note }));
}

/** Resolves with the API's port for SMTP. */
async function openOurs(scene: Scene, bench: Bench): Promise<number> {
  const port = await freePort();
  const env = { SMTP_IN_PORT: String(port), SMTP_IN_TRUSTED_NETWORKS: '127.0.0.1/32=bench' };
  scene.keep(await openRelay({ ...scene, workers: 0, env }, bench));
  return port;
}
