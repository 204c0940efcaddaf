import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { NO_CONFIG_FILE, readConfigFile, type FileConfig } from '../config-file/read.ts';
import { createFileChannels } from '../daemon/file-channels.ts';
import { messageOf } from '../errors.ts';
import { testHook } from '../hooks/trial.ts';
import { parseJsonObject } from '../http/body.ts';
import { testChannels } from '../notify/test-channels.ts';
import { inert } from '../render/inert.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';

/** Sends a test message through every channel; 1 when one of them is not reached. */
export async function tryChannels(
  cli: Cli,
  { json = false }: { json?: boolean },
): Promise<ExitCode> {
  const config = cli.config();
  const log = { info: () => undefined, warn: () => undefined };
  const { environment } = cli;
  const { notifiers, problems } = createFileChannels(fileConfig(cli), { config, environment, log });
  const { timeoutMs } = config.notify;
  const channels = await testChannels(notifiers, { timeoutMs, log });
  const isFine = problems.length === 0 && channels.every(({ ok }) => ok);
  if (json) await cli.output.json({ ok: isFine, channels, problems });
  else {
    const lines = [
      ...channels.map(
        ({ channel, ok, sentence }) => `${ok ? 'ok    ' : 'FAILED'} ${channel}: ${sentence}`,
      ),
      ...problems.map((problem) => `FAILED ${problem}`),
    ];
    const nothing = 'No channel is configured: announcements go to the server log.';
    await cli.output.data(`${inert((lines.length === 0 ? [nothing] : lines).join('\n'))}\n`);
  }
  return isFine ? EXIT.done : EXIT.failed;
}

/** Says what a hook would make of a payload; 1 when it would do nothing. */
export async function tryHook(
  cli: Cli,
  name: string,
  options: { payload: string; header?: Record<string, string>; json?: boolean },
): Promise<ExitCode> {
  const payload = readPayload(resolve(cli.currentDirectory, options.payload));
  const trial = testHook(fileConfig(cli), name, payload, options.header ?? {});
  if (options.json === true) await cli.output.json({ ok: true, trial });
  else {
    const { fires, reason, run, senders, missing } = trial;
    const lines = [
      fires ? `${name} fires` : `${name} does nothing: ${reason ?? ''}`,
      ...(senders.length === 0 ? [] : [`  sender     ${senders.join(', ')}`]),
      ...(run === null
        ? []
        : [`  message    ${run.message}`, `  prompt     ${run.prompt ?? 'none: the tickets'}`]),
      ...missing.map((path) => `  nothing at {{${path}}}`),
    ];
    await cli.output.data(`${inert(lines.join('\n'))}\n`);
  }
  return trial.fires ? EXIT.done : EXIT.failed;
}

function fileConfig(cli: Cli): FileConfig {
  const { configFile, agentEnvironment, workspace } = cli.config();
  if (configFile === undefined) return NO_CONFIG_FILE;
  return readConfigFile({
    path: configFile,
    variables: { ...agentEnvironment, ...cli.environment },
    workspace: workspace.directory,
  });
}

function readPayload(path: string): Record<string, unknown> {
  try {
    return parseJsonObject(readFileSync(path));
  } catch (error) {
    throw new CliError(`--payload ${path}: ${messageOf(error)}`, EXIT.usage, { cause: error });
  }
}
