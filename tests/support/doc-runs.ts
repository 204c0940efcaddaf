import { execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { cliPath } from './cli.ts';
import { useConfigFile } from './doc-blocks.ts';
import type { Block, Page } from './docs.ts';
import { linkFakeCodex, type TurnScenario } from './fake-codex.ts';
import { startService, type Service } from './service.ts';

/** For a block; ten of a page on a busy machine take long. */
const DEADLINE_MS = 60_000;

/**
 * Executes the `sh test` blocks of a page as a reader would who pastes them, one after the other,
 * into one terminal in a fresh git repository: the folder that a block has changed to stays, its
 * variables do not. The agent is scripted (`turns`). What a page says of other places is led here:
 *
 *     http://127.0.0.1:3456   a running service, which has the repository as LOOPER_WORKSPACE and
 *                             the `hooks`, `schedules` and `channels` of all YAML blocks of the page
 *     ports 3457 to 3469      free ones
 *     /etc/looper, /srv/app   the folder of the settings, and the repository
 *
 * `looper` is on PATH and knows service, repository and log directory from LOOPER_ENV_FILE; a second
 * service that a block starts stops nothing but its own agents and starts nothing by itself.
 *
 * The answer to a trigger comes when its run has ended (CODEX_EXEC_STARTUP_CHECK_SECONDS). Throws
 * what the first block that fails has printed; returns how many were executed.
 */
export async function runPage(page: Page, turns: readonly TurnScenario[]): Promise<number> {
  let settings = '';
  const service = await startService({
    scenario: { turns: turns.length === 0 ? [{}] : [...turns] },
    env: (home) => {
      settings = join(home, 'etc');
      mkdirSync(settings);
      prepareRepository(home);
      const files = page.blocks.filter(
        ({ language, text }) => language === 'yaml' && /^(?:hooks|schedules|channels):/m.test(text),
      );
      const yaml = lead(merge(files), { '/srv/app': join(home, 'workspace') });
      return {
        LOOPER_WORKSPACE: join(home, 'workspace'),
        CODEX_EXEC_STARTUP_CHECK_SECONDS: '60',
        LOOPER_STANDBY_RUNNER: '0',
        ...(yaml === '' ? {} : { LOOPER_CONFIG_FILE: useConfigFile(yaml, settings) }),
      };
    },
  });
  const ports = await freePorts();
  let known = stateOf(settings);
  const blocks = page.blocks.filter(({ language, isTest }) => language === 'sh' && isTest);
  for (const block of blocks) {
    if (stateOf(settings) !== known) {
      known = stateOf(settings);
      await service.looper.kill();
      await service.restarted();
    }
    await runBlock(block, service, { ...ports, '/etc/looper': settings });
  }
  return blocks.length;
}

async function runBlock(
  { text, where }: Block,
  { home, workspace, looper }: Service,
  places: Readonly<Record<string, string>>,
): Promise<void> {
  const folderFile = join(home, 'folder');
  const outputFile = join(home, 'output');
  // In a file, which a block may replace by its own: variables would win over that.
  writeFileSync(
    join(home, 'env'),
    `LOOPER_URL=${looper.url}\nLOOPER_WORKSPACE=${workspace}\nLOOPER_LOG_DIR=${looper.logDirectory}\n`,
  );
  const own = { 'http://127.0.0.1:3456': looper.url, '/srv/app': workspace, ...places };
  const output = openSync(outputFile, 'w');
  const child = spawn(
    'bash',
    ['-euo', 'pipefail', '-c', `trap 'pwd > "${folderFile}"' EXIT\n${lead(text, own)}`],
    {
      cwd: existsSync(folderFile) ? readFileSync(folderFile, 'utf8').trim() : workspace,
      detached: true,
      stdio: ['ignore', output, output],
      env: {
        PATH: `${join(home, 'bin')}:${process.env['PATH'] ?? ''}`,
        HOME: home,
        XDG_CONFIG_HOME: join(home, '.config'),
        XDG_STATE_HOME: join(home, '.local', 'state'),
        GIT_CONFIG_NOSYSTEM: '1',
        LOOPER_ENV_FILE: join(home, 'env'),
        LOOPER_KILL_SCOPE: 'owned',
        LOOPER_AUTO_START_WHEN_IDLE: '0',
      },
    },
  );
  closeSync(output);
  const timer = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), DEADLINE_MS);
  await once(child, 'exit');
  clearTimeout(timer);
  if (child.exitCode === 0) return;
  const end = child.exitCode === null ? `took longer than ${DEADLINE_MS} ms` : 'failed';
  throw new Error(
    `${where} ${end}:\n${text}\n--- it printed:\n${readFileSync(outputFile, 'utf8')}`,
  );
}

/** A repository with one commit, a person's name, and commands that a reader would have installed. */
function prepareRepository(home: string): void {
  const workspace = join(home, 'workspace');
  writeFileSync(
    join(home, '.gitconfig'),
    '[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n',
  );
  const git = (...args: string[]): unknown =>
    execFileSync('git', args, {
      cwd: workspace,
      env: { PATH: process.env['PATH'], HOME: home, GIT_CONFIG_NOSYSTEM: '1' },
    });
  git('init', '--quiet');
  git('commit', '--quiet', '--allow-empty', '--message=start');
  appendFileSync(join(workspace, '.git', 'info', 'exclude'), '.fake-codex*\n');
  linkFakeCodex(join(home, 'bin'));
  const looper = `#!/bin/sh\nexec '${process.execPath}' '${cliPath}' "$@"\n`;
  writeFileSync(join(home, 'bin', 'looper'), looper, { mode: 0o755 });
}

/** All lists of one name together, as one file. */
function merge(blocks: readonly Block[]): string {
  return ['hooks', 'schedules', 'channels']
    .map((name) => {
      const lists = blocks.map(
        ({ text }) =>
          new RegExp(`^${name}:[^\\S\\n]*\\n((?:[ #].*\\n|\\n)+)`, 'm').exec(text)?.[1] ?? '',
      );
      const list = lists.join('');
      return list.trim() === '' ? '' : `${name}:\n${list}`;
    })
    .join('');
}

/** In one pass: a port that was put in may hold the name of another place (34573). */
function lead(text: string, places: Readonly<Record<string, string>>): string {
  const names = Object.keys(places).map((name) => name.replaceAll('.', '\\.'));
  return text.replaceAll(new RegExp(names.join('|'), 'g'), (name) => places[name] ?? name);
}

async function freePorts(): Promise<Record<string, string>> {
  const names = Array.from({ length: 13 }, (_, index) => String(3457 + index));
  const servers = names.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => String((server.address() as AddressInfo).port));
  for (const server of servers) server.close();
  return Object.fromEntries(names.map((name, index) => [name, ports[index] ?? '']));
}

/** Which secrets lie there: the service is started again where a block has made new ones. */
function stateOf(folder: string): string {
  return readdirSync(folder)
    .map((name) => `${name} ${statSync(join(folder, name)).mtimeMs}`)
    .join('\n');
}
