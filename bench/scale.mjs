/** Many tickets, many old runs, many processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeTickets } from './loop.mjs';
import { now, pause, startDaemon, until } from './processes.mjs';
import { existsSync } from 'node:fs';

export async function measureScale(report, { repetitions, tickets, runs, processes }) {
  const daemon = await startDaemon({ LOOPER_KEEP_RUNS: '100000' });
  try {
    writeTickets(daemon.workspace, tickets);
    const list = () => timed(() => get(`${daemon.url}/tickets`));
    report.row(`GET /tickets with ${tickets} of them, first`, [await list()], 'ms');
    report.row('… again', await several(repetitions, list), 'ms');

    daemon.setMode('quick');
    const { run_id: runId } = await daemon.trigger();
    await daemon.finished(runId);
    multiplyRun(join(daemon.home, 'logs'), runId, runs);
    const page = () => timed(() => get(`${daemon.url}/runs?limit=50`));
    report.row(`GET /runs?limit=50 with ${runs} of them, first`, [await page()], 'ms');
    report.row('… again', await several(repetitions, page), 'ms');

    const trigger = async () => {
      await pause(250);
      daemon.forget();
      const started = now();
      const answer = await daemon.trigger();
      await until('the agent', () => existsSync(daemon.agent.BENCH_STARTED));
      await daemon.finished(answer.run_id);
      return daemon.startedAt() - started;
    };
    report.row(`trigger → agent with ${runs} old runs`, await several(repetitions, trigger), 'ms');
    const sleepers = await startSleepers(processes);
    const label = `trigger → agent with ${processes} more processes`;
    report.row(label, await several(repetitions, trigger), 'ms');
    for (const sleeper of sleepers) sleeper.kill('SIGKILL');
  } finally {
    await daemon.stop();
  }
}

/** Copies the files of a finished run under other ids, a second apart and older. */
function multiplyRun(directory, runId, count) {
  const files = readdirSync(directory).filter((name) => name.includes(runId));
  const record = files.find((name) => name.endsWith(`${runId}.json`));
  const text = readFileSync(join(directory, record), 'utf8');
  const [base] = record.split('.');
  const newest = Date.parse(JSON.parse(text).created_at);
  for (let i = 1; i <= count; i += 1) {
    const id = i.toString(16).padStart(8, '0');
    const stamp = new Date(newest - i * 1000).toISOString().replaceAll(/[-:]|\..*/g, '');
    const copy = `codex-exec-${stamp.replace('T', '-')}-${id}`;
    writeFileSync(
      join(directory, `${copy}.json`),
      text.replaceAll(base, copy).replaceAll(runId, id),
    );
    copyFileSync(join(directory, `${base}.log`), join(directory, `${copy}.log`));
  }
}

async function startSleepers(count) {
  const sleepers = Array.from({ length: count }, () =>
    spawn('sleep', ['600'], { stdio: 'ignore', detached: true }),
  );
  await Promise.all(sleepers.map((sleeper) => once(sleeper, 'spawn')));
  return sleepers;
}

async function several(times, measure) {
  const samples = [];
  for (let i = 0; i < times; i += 1) samples.push(await measure());
  return samples;
}

async function timed(action) {
  const started = performance.now();
  await action();
  return performance.now() - started;
}

async function get(url) {
  const response = await fetch(url);
  const text = await response.text();
  if (response.status !== 200) throw new Error(text);
}
