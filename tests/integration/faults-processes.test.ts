/** Rows of the fault catalogue on processes that no other file shows. */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { spawnAgent } from '../../src/runner/turn.ts';
import type { Scenario } from '../support/fake-codex.ts';
import { canFindProcesses, findProcesses } from '../support/find-processes.ts';
import { tempDir } from '../support/temp-dir.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import {
  childrenOf,
  processesOf,
  readRecords,
  runFile,
  runIdOf,
  startService,
  untilLeft,
} from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const MIB = 1024 ** 2;
const hanging: Scenario = { steps: [{ do: 'hang' }] };
const inTerminal = fileURLToPath(new URL('../fixtures/in-terminal.py', import.meta.url));
const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;
if (!hasPython) process.stderr.write('skipped: a terminal for the daemon needs python3\n');
const namespaces = ['unshare', '-Urpf', '--mount-proc', '--kill-child'];
const canUnshare = spawnSync(namespaces[0] ?? '', [...namespaces.slice(1), 'true']).status === 0;
if (!canUnshare) process.stderr.write('skipped: a daemon as process 1 needs unshare\n');

/** A daemon whose agent is this script, which may change while it runs. */
async function startWithAgent(script: string, env: Readonly<Record<string, string>> = {}) {
  let agent = '';
  const service = await startService({
    env: (home) => {
      agent = join(home, 'agent');
      writeFileSync(agent, script, { mode: 0o755 });
      return { CODEX_EXEC_BINARY: agent, OUT: home, ...env };
    },
  });
  return { service, agent };
}

describe('an agent that cannot be started (row 18)', () => {
  test.each<[string, (agent: string, workspace: string) => void, RegExp]>([
    ['was removed', (agent) => rmSync(agent), /could not start .*agent ENOENT/],
    ['may not be executed', (agent) => chmodSync(agent, 0o644), /could not start .*agent EACCES/],
    [
      'has no interpreter',
      (agent) => writeFileSync(agent, '#!/no/such/interpreter\n'),
      /could not start .*agent: .*ENOENT/,
    ],
    [
      'has no workspace',
      (_, workspace) => rmSync(workspace, { recursive: true }),
      /workspace .*does not exist/,
    ],
  ])('it %s while the launch waits', async (_, spoil, words) => {
    const { service, agent } = await startWithAgent('#!/bin/sh\n');
    const answer = service.run({ codex_exec_delay_seconds: 0.5 });
    await waitFor('the launch', () => readRecords(service.looper.logDirectory).length > 0);
    spoil(agent, service.workspace);
    const { status, body } = await answer;
    expect(body['error']).toMatch(words);
    expect(status).toBeGreaterThanOrEqual(422);
    const [record] = readRecords(service.looper.logDirectory);
    const ended = await service.looper.ended(record?.run_id ?? '');
    expect(ended).toMatchObject({ outcome: 'spawn_failed', agent: null });
    expect(ended.reason).toMatch(words);
    // The daemon and its standby.
    await untilLeft(service.home, 2);
  });
});

test('an agent whose workspace has gone between two turns is not called missing (row 18)', async () => {
  const directory = tempDir();
  const path = join(directory, 'file');
  writeFileSync(path, '');
  const files = { promptPath: path, logPath: path, environment: {} };
  const gone = join(directory, 'gone');
  const command = { file: '/bin/true', args: [] };
  await expect(spawnAgent(command, { ...files, workspace: gone })).rejects.toThrow(
    `could not start /bin/true: its workspace ${gone} is gone`,
  );
});

describe('how an agent ended (row 19)', () => {
  test.each<[string, Scenario, number | null, string | null, number, string]>([
    ['0', {}, 0, null, 0, 'succeeded'],
    ['1', { exitCode: 1 }, 1, null, 1, 'failed'],
    ['101', { steps: [{ do: 'exit', code: 101 }] }, 101, null, 101, 'failed'],
    ['255', { steps: [{ do: 'exit', code: 255 }] }, 255, null, 255, 'failed'],
    ['SIGSEGV', { steps: [{ do: 'kill', signal: 'SIGSEGV' }] }, null, 'SIGSEGV', -11, 'failed'],
    // What a shell reports as 128 + 15 is no signal.
    ['143', { steps: [{ do: 'exit', code: 143 }] }, 143, null, 143, 'failed'],
  ])('%s', async (_, scenario, exitCode, signal, returnCode, outcome) => {
    const service = await startService({ scenario });
    const record = await service.looper.ended(await service.started());
    expect(record).toMatchObject({ outcome, turns: [{ exit_code: exitCode, signal }] });
    expect(service.looper.log(record.run_id).trimEnd().split('\n').at(-1)).toBe(
      `# codex_exec_return_code=${returnCode}`,
    );
  });
});

describe('an agent that says too much (row 24)', () => {
  const peakOf = (pid: number): number => {
    const status = existsSync(`/proc/${pid}/status`)
      ? readFileSync(`/proc/${pid}/status`, 'utf8')
      : '';
    return Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  };

  test.runIf(canFindProcesses)('costs no memory, and its record stays small', async () => {
    // Noise without structure, a line of 10 MiB, and 300 MiB in all.
    const script = `#!/bin/bash
head -c ${MIB} /dev/urandom >"$OUT/noise"
head -c ${10 * MIB} /dev/zero | tr '\\0' x; echo
for n in {1..290}; do cat "$OUT/noise"; done
exit 3
`;
    const { service } = await startWithAgent(script);
    const { looper } = service;
    const before = peakOf(looper.pid);
    let runnerPeak = 0;
    const runId = await service.started();
    const watched = setInterval(() => {
      for (const pid of childrenOf(looper.pid)) runnerPeak = Math.max(runnerPeak, peakOf(pid));
    }, 50);
    onTestFinished(() => clearInterval(watched));
    const record = await looper.ended(runId, 60_000);
    expect(record).toMatchObject({ outcome: 'failed', turns: [{ exit_code: 3 }] });
    expect(statSync(record.log_path).size).toBeGreaterThan(300 * MIB);
    // Nothing of the log passes through the daemon; the runner reads it in pieces.
    expect(peakOf(looper.pid) - before).toBeLessThan(60 * MIB);
    expect(runnerPeak).toBeGreaterThan(0);
    expect(runnerPeak).toBeLessThan(250 * MIB);
    for (const suffix of ['.json', '.end', '.events.jsonl']) {
      expect(statSync(runFile(looper.logDirectory, runId, suffix)).size).toBeLessThan(64 * 1024);
    }
  });

  test('is quoted with the end of its words only, and as text', async () => {
    const script = `#!/bin/bash
head -c ${3 * MIB} /dev/urandom; head -c ${MIB} /dev/zero | tr '\\0' x; printf 'the end\\n'
exit 3
`;
    const { service } = await startWithAgent(script);
    const { status, body } = await service.run({ codex_exec_startup_check_seconds: 20 });
    expect(status).toBe(500);
    expect(body['error']).toMatch(/rc=3.*x{100}the end/s);
    expect(String(body['error']).length).toBeLessThan(4_000);
    const { reason } = await service.looper.record(
      readRecords(service.looper.logDirectory)[0]?.run_id ?? '',
    );
    expect((reason ?? '').length).toBeLessThan(4_000);
  });
});

test('a prompt that does not fit into a body is a 413, and nothing starts (row 26)', async () => {
  const service = await startService();
  const { status, body } = await service.run({ codex_prompt: 'x'.repeat(2 * MIB) });
  expect(status).toBe(413);
  expect(body['error']).toContain(`${MIB} bytes`);
  expect(readRecords(service.looper.logDirectory)).toEqual([]);
  // What just fits arrives whole.
  const prompt = 'y'.repeat(MIB - 1_000);
  await service.looper.ended(runIdOf(await service.run({ codex_prompt: prompt })));
  expect(service.calls().map((call) => call.prompt)).toEqual([prompt]);
});

describe.runIf(canFindProcesses)('ps (row 29)', () => {
  test.each(['no ps', 'a ps that fails'])('%s on PATH: a stop finds all', async (kind) => {
    const number = randomInt(1_000_000, 9_000_000);
    const words = [`${number}.1`, `${number}.2`, `${number}.3`];
    const left = (): number[] => words.flatMap((word) => findProcesses({ word }));
    onTestFinished(() => {
      for (const pid of left()) process.kill(pid, 'SIGKILL');
    });
    const script = `#!/bin/bash
export PATH=${process.env['PATH'] ?? ''}
setsid sleep ${words[0]} & (setsid sleep ${words[1]} &)
sleep ${words[2]}
`;
    let bin = '';
    const service = await startService({
      env: (home) => {
        bin = join(home, 'bin');
        mkdirSync(bin);
        if (kind !== 'no ps') writeFileSync(join(bin, 'ps'), failingPs, { mode: 0o755 });
        writeFileSync(join(home, 'agent'), script, { mode: 0o755 });
        return { CODEX_EXEC_BINARY: join(home, 'agent'), PATH: bin };
      },
    });
    const runId = await service.started();
    await waitFor('its children', () => left().length === words.length);
    const { body } = await service.looper.post(`/runs/${runId}/stop`);
    expect(left()).toEqual([]);
    expect(body['run']).toMatchObject({ outcome: 'stopped' });
    // Linux has /proc; nobody asked.
    expect(readdirSync(bin)).toEqual(kind === 'no ps' ? [] : ['ps']);
  });

  const failingPs = '#!/bin/bash\n: >"${0%/*}/called"\nexit 1\n';
});

describe.runIf(hasPython)('a daemon in a terminal (row 30)', () => {
  const within = ['python3', inTerminal];
  const cases = [
    ['Ctrl-C', 'SIGUSR1', 'SIGINT'],
    ['the terminal closes', 'SIGUSR2', 'SIGHUP'],
  ] as const;

  test.each(cases)('%s: it ends with its run', async (_, act) => {
    const service = await startService({ within, scenario: hanging });
    const runId = await service.started();
    await waitFor('the agent', () => service.calls().length === 1);
    const exited = once(service.looper.process, 'exit');
    service.looper.process.kill(act);
    expect(await exited).toEqual([0, null]);
    const [record] = readRecords(service.looper.logDirectory);
    expect(record).toMatchObject({ run_id: runId, status: 'finished', outcome: 'shutdown' });
    await untilLeft(service.home, 0);
  });

  test.each(cases)('%s, with detach: the run goes on and is adopted', async (_, act) => {
    const detach = { LOOPER_ON_SHUTDOWN: 'detach' };
    const service = await startService({ within, scenario: hanging, env: detach });
    const runId = await service.started();
    await waitFor('the agent', () => service.calls().length === 1);
    const { agent, runner } = await service.looper.record(runId);
    const exited = once(service.looper.process, 'exit');
    service.looper.process.kill(act);
    expect(await exited).toEqual([0, null]);
    expect([agent?.pid, runner?.pid].map((pid) => looksAlive(pid ?? 0))).toEqual([true, true]);

    const looper = await service.restarted();
    expect(await looper.record(runId)).toMatchObject({ status: 'running' });
    const { body } = await looper.post(`/runs/${runId}/stop`);
    expect(body['run']).toMatchObject({ outcome: 'stopped' });
  });
});

describe.runIf(canUnshare)('a daemon that is process 1 (row 75)', () => {
  test('says so at start, ends its own children, works, and stops', async () => {
    const service = await startService({
      within: namespaces,
      scenario: { steps: [{ do: 'spawn', kind: 'plain' }] },
    });
    const { looper } = service;
    expect(looper.output()).toContain('warning: this is process 1');
    expect(looper.output()).toContain('docker run --init');
    const serverLog = readFileSync(join(looper.logDirectory, 'looper-server.log'), 'utf8');
    expect(serverLog).toContain('"server.no_init"');
    for (let round = 0; round < 3; round += 1) {
      expect(await looper.ended(await service.started())).toMatchObject({ outcome: 'succeeded' });
    }
    const [daemon = 0] = childrenOf(looper.pid);
    // Runners are its own children, which Node waits for; what their agents left is for an init.
    await waitFor('the runners to be reaped', () => zombiesOf(daemon, 'node').length === 0);
    expect(zombiesOf(daemon, 'sleep').length).toBeGreaterThan(0);
    process.kill(daemon, 'SIGTERM');
    await once(looper.process, 'exit');
    expect(processesOf(service.home)).toEqual([]);
  });

  test('anybody else is not warned', async () => {
    const service = await startService();
    expect(service.looper.output()).not.toContain('process 1');
  });
});

/** Ended children of a process that nobody has waited for, by name. */
function zombiesOf(parent: number, name: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return state === 'Z' && Number(ppid) === parent && stat.includes(`(${name})`);
      } catch {
        return false;
      }
    });
}
