/** What is ours between two turns of a ticket loop, and how long a stop takes. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { now, pause, startDaemon, until } from './processes.mjs';

const TICKETS = 6;

export async function measureTurns(report, { repetitions }) {
  const cases = {
    'with commits': { env: {}, git: true },
    'LOOPER_COMMIT=off': { env: { LOOPER_COMMIT: 'off' }, git: true },
    'without git': { env: {}, git: false },
  };
  for (const [label, { env, git }] of Object.entries(cases)) {
    const daemon = await startDaemon({ LOOPER_MAX_TURNS: '50', ...env });
    const between = [];
    try {
      daemon.setMode('ticket');
      if (git) initialise(daemon.workspace);
      for (let i = 0; i < repetitions; i += 1) {
        writeTickets(daemon.workspace, TICKETS);
        if (git) commitAll(daemon.workspace);
        const run = await daemon.finished((await daemon.trigger({})).run_id);
        if (run.outcome !== 'succeeded') throw new Error(`${run.outcome}: ${run.reason}`);
        for (let turn = 1; turn < run.turns.length; turn += 1) {
          const { finished_at: finished } = run.turns[turn - 1];
          between.push(Date.parse(run.turns[turn].started_at) - Date.parse(finished));
        }
      }
    } finally {
      await daemon.stop();
    }
    const measured = report.row(`own time between two turns, ${label}`, between, 'ms');
    report.goal(`between two turns, ${label}`, measured, 30, 'ms');
  }
}

export async function measureStop(report, { repetitions }) {
  const daemon = await startDaemon();
  const samples = [];
  try {
    daemon.setMode('wait');
    for (let i = 0; i < repetitions; i += 1) {
      daemon.forget();
      const { run_id: runId } = await daemon.trigger();
      await until('the agent', () => existsSync(daemon.agent.BENCH_STARTED));
      await pause(100);
      const started = now();
      const answer = await fetch(`${daemon.url}/runs/${runId}/stop`, { method: 'POST' });
      if (answer.status !== 200) throw new Error(await answer.text());
      samples.push(now() - started);
    }
  } finally {
    await daemon.stop();
  }
  report.goal('stop', report.row('stop of a cooperative agent', samples, 'ms'), 150, 'ms');
}

export function writeTickets(workspace, count) {
  const directory = join(workspace, '.looper', 'tickets');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (let number = 1; number <= count; number += 1) {
    const name = `TICKET-${String(number).padStart(3, '0')}.md`;
    writeFileSync(
      join(directory, name),
      `---\ntitle: Number ${number}\ndone: false\n---\nDo it.\n`,
    );
  }
  return readdirSync(directory).length;
}

function initialise(workspace) {
  git(workspace, 'init', '--quiet');
  git(workspace, 'config', 'user.name', 'bench');
  git(workspace, 'config', 'user.email', 'bench@bench.invalid');
}

function commitAll(workspace) {
  git(workspace, 'add', '--all');
  git(workspace, 'commit', '--quiet', '--message', 'tickets');
}

function git(workspace, ...args) {
  const { status, stderr } = spawnSync('git', args, { cwd: workspace, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`);
}
