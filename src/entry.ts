/** What the entries share: the configuration read or its faults told, the log opened, the process run. */
import { type Config, ConfigError, readConfig, type Role } from './config.ts';
import { type Logger, openLog } from './log.ts';
import { type Lifetime, run } from './run.ts';

/** Runs one process in this role until it is told to stop. */
export async function enter(
  role: Role,
  open: (config: Config, log: Logger, lifetime: Lifetime) => Promise<void>,
): Promise<void> {
  const config = readConfigOrExplain(role);
  if (!config) return;
  const log = openLog(config.logLevel, process.stdout.isTTY);
  await run(log, config.shutdownTimeoutMs, (lifetime) => open(config, log, lifetime));
}

function readConfigOrExplain(role: Role): Config | undefined {
  try {
    return readConfig(process.env, role);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}
