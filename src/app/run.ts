/**
 * The life of a process: what was opened is closed in reverse order on SIGTERM, SIGINT or a fault, within a deadline. A
 * second signal ends it at once.
 */
import type { Logger } from '../observe/log.ts';

export interface Lifetime {
  /** What must be closed, last opened first. */
  readonly stack: AsyncDisposableStack;
  /** Ends the process in order, like a signal, with exit code 1. */
  readonly fail: (error: Error) => void;
  /** Aborted by the first signal, for whatever still waits while it opens. */
  readonly stopping: AbortSignal;
}

/**
 * Runs `open`, waits for the end and closes everything. The exit code is 0 after a signal, 1 after a fault; a process
 * that cannot close in time kills itself.
 */
export async function run(
  log: Logger,
  shutdownTimeoutMs: number,
  open: (lifetime: Lifetime) => Promise<void>,
): Promise<void> {
  const end = Promise.withResolvers<void>();
  const fail = (error: unknown): void => {
    log.fatal({ err: error }, error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
    end.resolve();
  };
  const stopping = new AbortController();
  endOnSignals(log, () => {
    stopping.abort();
    end.resolve();
  });
  const stack = new AsyncDisposableStack();
  await open({ stack, fail, stopping: stopping.signal }).then(
    () => end.promise,
    (error) => (stopping.signal.aborted ? undefined : fail(error)),
  );
  const deadline = killAfter(shutdownTimeoutMs, log);
  await stack.disposeAsync().catch(fail);
  clearTimeout(deadline);
  log.info('stopped');
}

/** The result of the work, unless the process is stopped first. @throws the signal's reason then. */
export async function unlessStopped<T>(work: Promise<T>, stopping: AbortSignal): Promise<T> {
  stopping.throwIfAborted();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopping.addEventListener('abort', () => reject(stopping.reason), { once: true });
  return Promise.race([work, stopped]);
}

/** Within this time, a second signal is the first one again. */
const SAME_SIGNAL_MS = 1_000;

function endOnSignals(log: Logger, end: () => void): void {
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    // Ctrl-C comes twice: from the terminal, and passed on by npm.
    if (firstAt !== undefined && Date.now() - firstAt > SAME_SIGNAL_MS) process.kill(process.pid, 'SIGKILL');
    if (firstAt !== undefined) return;
    firstAt = Date.now();
    log.info({ signal }, 'stopping: finishing what is in progress');
    end();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** Everything that closes gives up by itself within the timeout. This is for what does not even do that. */
function killAfter(shutdownTimeoutMs: number, log: Logger): NodeJS.Timeout {
  const graceMs = 5_000;
  return setTimeout(() => {
    log.fatal(
      { shutdownTimeoutMs },
      'could not close in time. Nothing is lost: another worker retries what was in progress',
    );
    process.kill(process.pid, 'SIGKILL');
  }, shutdownTimeoutMs + graceMs);
}
