/** What the entries share: read the configuration or report its faults, open the log, run the process. */
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { type Config, ConfigError, readConfig, type Role } from '../config/config.ts';
import { type Logger, openLog } from '../observe/log.ts';
import { type Lifetime, run } from './run.ts';

const ENV_FILE = '.env';

export interface Entry extends Lifetime {
  /** Called with the configuration that SIGHUP had read again, when it is valid. */
  readonly onReload: (listener: (config: Config) => void | Promise<void>) => void;
}

/** Runs one process in this role until a signal stops it. */
export async function enter(
  role: Role,
  open: (config: Config, log: Logger, entry: Entry) => Promise<void>,
): Promise<void> {
  const config = readConfigOrExplain(role);
  if (!config) return;
  const log = openLog(config.logLevel, process.stdout.isTTY);
  await run(log, config.shutdownTimeoutMs, (lifetime) =>
    open(config, log, { ...lifetime, onReload: (listener) => reloadOnSignal(role, log, listener) }),
  );
}

function readConfigOrExplain(role: Role): Config | undefined {
  try {
    return readConfig(environment(), role);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

/** The variables of `.env`, if it is there, and of the process, which win. */
export function environment(): NodeJS.ProcessEnv {
  return { ...(existsSync(ENV_FILE) && parseEnv(readFileSync(ENV_FILE, 'utf8'))), ...process.env };
}

/** An invalid configuration is reported and ignored: the process goes on with the old one. */
function reloadOnSignal(role: Role, log: Logger, listener: (config: Config) => void | Promise<void>): void {
  let last = Promise.resolve();
  process.on('SIGHUP', () => {
    last = last
      .then(() => listener(readConfig(environment(), role)))
      .catch((error: unknown) => log.error({ err: error }, 'configuration not reloaded: the old one stays in use'));
  });
}
