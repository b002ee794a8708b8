/** A worker whose clock is wrong: a message that it defers is tried again at the right time, by any worker. */
import { expect, onTestFinished } from 'vitest';
import { test } from '../../helpers/redis.ts';
import { isFinal, openTestService } from '../../helpers/service.ts';

/** Sets this process's clock apart from the true one; timers go on. Answers with what sets it right. */
function setClock(offsetMs: number): () => void {
  const TrueDate = Date;
  const now = () => TrueDate.now() + offsetMs;
  globalThis.Date = new Proxy(TrueDate, {
    get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  });
  const setRight = () => {
    globalThis.Date = TrueDate;
  };
  onTestFinished(setRight);
  return setRight;
}

test.for([
  ['ahead', 600_000],
  ['behind', -600_000],
] as const)(
  'a mail that was deferred while the clock was %s is tried again in time',
  async ([_title, offsetMs], { redis }) => {
    const service = await openTestService({ location: redis.location, env: { RETRY_DELAYS_SECONDS: '2' } });
    service.sandbox.exchange.script({ stage: 'end', reply: '451 4.3.2 Please try again later' });
    const setRight = setClock(offsetMs);
    const id = await service.send();
    await service.until(id, ({ attempts }) => attempts.length > 0);
    setRight();
    const seenAt = Date.now();
    const message = await service.until(id, isFinal);
    expect([message.status, message.attempts.length]).toEqual(['sent', 2]);
    // The status may have been another by then: BullMQ brings a job early to a worker whose clock is ahead.
    const deferred = service.log.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'deferred');
    const nextInMs = Date.parse(deferred.nextAttemptAt) - seenAt;
    expect(nextInMs).toBeGreaterThan(-10_000);
    expect(nextInMs).toBeLessThan(10_000);
  },
);
