import { dirname } from 'node:path';
import { buildAgentEnvironment } from '../codex/environment.ts';
import type { Config } from '../config.ts';
import type { FileConfig } from '../config-file.ts';
import { type Channels, createChannels } from '../notify/channels.ts';
import type { NotifyLog } from '../notify/index.ts';
import { readIdentity } from '../processes/identity.ts';
import { stopTree } from '../processes/stop.ts';

/** The channels of the variables and of one version of the configuration file. */
export function createFileChannels(
  file: FileConfig,
  options: {
    readonly config: Config;
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly log: NotifyLog;
  },
): Channels {
  const { config, environment, log } = options;
  if (config.configFile === undefined) return createChannels(config.notify, log);
  // What a channel's command sees is what an agent sees: neither has a use for Looper's secrets.
  const { LOOPER_RUN_ID: _run, ...commandEnvironment } = buildAgentEnvironment({
    daemonEnv: environment,
    envFileRest: config.agentEnvironment,
    secretNames: [...config.secretNames, ...file.secretNames],
    runId: '',
    url: `${config.client.baseUrl}/run`,
    ticket: null,
  });
  return createChannels(config.notify, log, {
    entries: file.channels,
    secrets: file.secrets,
    commands: {
      directory: dirname(config.configFile),
      environment: commandEnvironment,
      killTree,
    },
  });
}

async function killTree(pid: number): Promise<void> {
  const root = readIdentity(pid);
  if (root !== null) await stopTree({ roots: [root], graceMs: 0 });
}
