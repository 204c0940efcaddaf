import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { resolveBinary } from '../codex/binary.ts';
import { xdgDirectory } from '../config/env-file.ts';
import { isLooperVariable } from '../config/schema.ts';
import { givenVariables } from '../config/sources.ts';
import { messageOf } from '../errors.ts';
import { ENV_TEMPLATE } from '../init/env-template.ts';
import { LAUNCHD_LABEL, launchdAgent } from '../init/launchd.ts';
import { placeThatMoves } from '../init/moving.ts';
import { placeFile } from '../init/place-file.ts';
import { describeService, type Service } from '../init/service.ts';
import { systemdUnit } from '../init/systemd.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';

export type Manager = 'systemd' | 'launchd';

interface InitOptions {
  readonly print?: boolean;
  readonly force?: boolean;
}

/** Links that packages keep pointing at the Node of the day, where its real path changes. */
const STEADY_NODES = ['/usr/bin/node', '/usr/local/bin/node', '/opt/homebrew/bin/node'];

/** `looper init systemd|launchd`: prints the paths of what it wrote, and says what comes next. */
export async function initService(
  cli: Cli,
  manager: Manager,
  options: InitOptions,
): Promise<ExitCode> {
  const sources = { env: cli.environment, homeDirectory: cli.homeDirectory };
  const configFolder = xdgDirectory(sources, 'XDG_CONFIG_HOME', '.config');
  const envFile = cli.config().envFile ?? join(configFolder, 'looper', 'env');
  const service = describeService({ ...sources, node: nodePath(), cli: cli.entry, envFile });
  const text = manager === 'systemd' ? systemdUnit(service) : launchdAgent(service);
  await warn(cli, manager, service);
  if (options.print === true) {
    await cli.output.data(text);
    return EXIT.done;
  }
  const path = manager === 'systemd' ? unitPath(configFolder) : agentPath(cli.homeDirectory);
  const placed = placeFile(path, text, { mode: 0o644, replace: options.force === true });
  if (placed === 'differs') {
    throw new CliError(
      `${path} is there already and differs; nothing was written. --print shows what would be, --force replaces it.`,
      EXIT.failed,
    );
  }
  if (placed === 'same') cli.output.message(`${path} is as it should be already.`);
  else await cli.output.data(`${path}\n`);
  // Whatever is in an env file is somebody's, and may be the only copy of a secret.
  const settings = placeFile(envFile, ENV_TEMPLATE, { mode: 0o600, replace: false });
  if (settings === 'written') await cli.output.data(`${envFile}\n`);
  for (const line of nextSteps(manager, path, envFile)) cli.output.message(line);
  return EXIT.done;
}

const unitPath = (configFolder: string): string =>
  join(configFolder, 'systemd', 'user', 'looper.service');
const agentPath = (homeDirectory: string): string =>
  join(homeDirectory, 'Library', 'LaunchAgents', `${LAUNCHD_LABEL}.plist`);

function nodePath(): string {
  const isThisNode = (path: string): boolean => {
    try {
      return realpathSync(path) === realpathSync(process.execPath);
    } catch {
      return false;
    }
  };
  return STEADY_NODES.find(isThisNode) ?? process.execPath;
}

/** What would keep this service from working, today or after an upgrade. */
async function warn(cli: Cli, manager: Manager, service: Service): Promise<void> {
  const say = (sentence: string): void => cli.output.message(`warning: ${sentence}`);
  const again = `run looper init ${manager} --force again`;
  const own = placeThatMoves(service.cli);
  if (own !== null && own.lasts !== 'until an upgrade') {
    say(
      `${service.cli} lies in ${own.owner}, which may be emptied at any time. Install Looper with npm install -g @codex-looper/looper, and ${again}.`,
    );
  }
  const node = placeThatMoves(service.node);
  if (node !== null) {
    say(`${service.node} is ${node.owner}'s: after an upgrade of Node, ${again}.`);
  }
  const { codex, workspace } = cli.config();
  try {
    const found = await resolveBinary({
      requested: null,
      configured: codex.binary ?? null,
      looperDirectory: dirname(dirname(service.cli)),
      path: service.environment['PATH'] ?? '',
      workspace: workspace.directory ?? null,
    });
    const moves = placeThatMoves(found.path);
    if (moves !== null && node === null) {
      say(`codex is ${found.path}, which is ${moves.owner}'s: when it moves, ${again}.`);
    }
  } catch (error) {
    say(`the service would find no agent. ${messageOf(error)}`);
  }
  const inShell = Object.keys(givenVariables(cli.environment)).filter(
    (name) => isLooperVariable(name) && name !== 'LOOPER_ENV_FILE',
  );
  if (inShell.length > 0) {
    say(`the service does not see what only this shell sets: ${inShell.join(', ')}.`);
  }
}

function nextSteps(manager: Manager, path: string, envFile: string): string[] {
  const shown = shellWord(path);
  const steps =
    manager === 'systemd'
      ? [
          '  systemctl --user daemon-reload && systemctl --user enable --now looper',
          '  loginctl enable-linger        # so that it runs while you are logged out',
          '  journalctl --user -u looper   # when it does not start',
          'A restart leaves the run alone. To end all: systemctl --user stop looper, then looper stop.',
        ]
      : [
          `  launchctl bootstrap gui/$(id -u) ${shown}`,
          `  launchctl print gui/$(id -u)/${LAUNCHD_LABEL}   # when it does not start`,
          `A restart leaves the run alone. To end all: launchctl bootout gui/$(id -u)/${LAUNCHD_LABEL}, then looper stop.`,
        ];
  return [`Next: settings go into ${envFile} (LOOPER_WORKSPACE at least), then`, ...steps];
}

/** As a shell reads it back. */
function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
