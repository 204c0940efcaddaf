/** Where a campaign takes place: a home of its own, two workspaces, and what the agent will do next. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, renameSync } from 'node:fs';
import { writeFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createQuietness, listBases, readRecord } from './run-files.mjs';

const fakeCodex = fileURLToPath(new URL('../fixtures/fake-codex.mjs', import.meta.url));
const crashPoint = fileURLToPath(new URL('./crash-point.cjs', import.meta.url));

/** Grace of an agent after SIGINT, in seconds. */
export const GRACE_SECONDS = 0.3;
/** No boot of any machine. */
const ANOTHER_BOOT = '11111111-2222-3333-4444-555555555555';

/** @param {string} receiverUrl where the runs are announced */
export function createField(receiverUrl) {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'looper-chaos-')));
  const at = (name) => {
    const path = join(home, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  };
  const chaos = at('chaos');
  const workspaces = { prompt: at('prompt-workspace'), tickets: at('ticket-workspace') };
  const logs = at('logs');
  const tickets = at('ticket-workspace/.looper/tickets');
  initRepository(workspaces.tickets);
  const configFile = join(home, 'looper.yaml');
  const channel = { name: 'ops', type: 'webhook', url: receiverUrl, secret_env: 'CHAOS_SECRET' };
  // JSON is YAML.
  writeFileSync(configFile, JSON.stringify({ channels: [channel] }), { mode: 0o600 });

  return {
    home,
    chaos,
    workspaces,
    logs,
    isQuiet: createQuietness(logs),
    /** Of a daemon that can touch nothing but what it started itself. */
    environment: {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      CHAOS_DIR: chaos,
      NODE_OPTIONS: `--require ${JSON.stringify(crashPoint)}`,
      LOOPER_LOG_DIR: logs,
      LOOPER_ENV_FILE: '/dev/null',
      LOOPER_PORT: '0',
      LOOPER_KILL_SCOPE: 'owned',
      LOOPER_KILL_GRACE_SECONDS: String(GRACE_SECONDS),
      LOOPER_AUTO_START_WHEN_IDLE: '0',
      LOOPER_KEEP_RUNS: '1000000',
      LOOPER_CONFIG_FILE: configFile,
      LOOPER_NOTIFY_TIMEOUT_SECONDS: '0.5',
      CHAOS_SECRET: randomBytes(32).toString('base64'),
      CODEX_EXEC_BINARY: fakeCodex,
      CODEX_EXEC_STARTUP_CHECK_SECONDS: '0',
    },
    /** What the agents of this workspace do from now on; replaced whole, for one may be reading it. */
    script: (workspace, turn) => {
      const path = join(workspace, '.fake-codex.json');
      writeFileSync(`${path}.new`, JSON.stringify(turn));
      renameSync(`${path}.new`, path);
    },
    /** Sees to it that this many tickets are open, no more. */
    openTickets: (count) => {
      const names = readdirSync(tickets).filter((name) => name.endsWith('.md'));
      const open = names.filter((name) => /^done: false$/m.test(readText(join(tickets, name))));
      for (let number = names.length + 1; open.length < count; number += 1) {
        const name = `TICKET-${String(number).padStart(3, '0')}.md`;
        const head = `---\nagent: codex\ndone: false\ntitle: Number ${number}\n---\n`;
        writeFileSync(join(tickets, name), `${head}Do it.\n`);
        open.push(name);
      }
    },
    /**
     * Where nobody lives any more: what is on record is of an earlier boot, as after a restart of
     * the machine. The pids stay, and may be anybody's now.
     */
    reboot: () => {
      for (const base of listBases(logs)) {
        const record = readRecord(logs, base);
        if (record === null || record.status === 'finished') continue;
        for (const process of [record.runner, record.agent]) {
          if (process === null) continue;
          process.start_time = process.start_time.replace(/^[^:]*/, ANOTHER_BOOT);
        }
        writeFileSync(join(logs, `${base}.json`), JSON.stringify(record));
      }
    },
  };
}

/**
 * A turn that prints numbered lines and says at its end how many there were. `family`: it starts
 * commands first that leave its process group and session, as codex's own do.
 */
export function turnOf({ lines, everyMs, family = false, stubborn = false, ticket = false }) {
  const kinds = ['plain', 'tool', 'setsid', 'double', 'daemon'];
  return {
    steps: [
      ...(stubborn ? [{ do: 'stubborn' }] : []),
      ...(family ? kinds.map((kind) => ({ do: 'spawn', kind, stubborn })) : []),
      { do: 'lines', count: lines, everyMs },
      ...(ticket ? [{ do: 'write', path: 'work.txt', text: 'work\n', append: true }] : []),
      ...(ticket ? [{ do: 'ticket' }] : []),
    ],
    message: `printed ${lines}`,
  };
}

function initRepository(directory) {
  const git = (...args) => {
    const options = { cwd: directory, encoding: 'utf8' };
    const { status, stderr } = spawnSync('git', args, options);
    if (status !== 0) throw new Error(`git ${args[0]} failed: ${stderr}`);
  };
  git('init', '--quiet');
  git('config', 'user.name', 'chaos');
  git('config', 'user.email', 'chaos@example.invalid');
  writeFileSync(join(directory, '.git/info/exclude'), '.fake-codex.json*\n');
  git('commit', '--quiet', '--allow-empty', '--message', 'start');
}

function readText(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
