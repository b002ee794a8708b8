/** Waits for what has no event to wait for. */

const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 400;
/** A wait ends so much later than it could, at most: asking more often would cost the processor that it waits for. */
const PAUSE_SHARE = 0.1;

/** Asks until the answer is wanted, less and less often; resolves with it. */
export async function eventually<Answer>(
  ask: () => Promise<Answer>,
  isWanted: (answer: Answer) => boolean,
): Promise<Answer> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    const pauseMs = (performance.now() - startedAt) * PAUSE_SHARE;
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(pauseMs, PAUSE_MS_MIN), PAUSE_MS_MAX)));
  }
}

/** Asks until it is so. */
export async function untilTrue(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(async () => isSo(), Boolean);
}
