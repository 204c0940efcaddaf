/** How long 200 MB of output take into the run log, against the agent writing straight to a file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentPath, startDaemon, until } from './daemon.mjs';

export async function measureCapture(repetitions) {
  const daemon = await startDaemon();
  const ours = [];
  const direct = [];
  try {
    daemon.setMode('flood');
    for (let i = 0; i < repetitions; i += 1) {
      const { run_id: runId } = await daemon.trigger();
      const run = await until('the flood to end', async () => {
        const record = await daemon.run(runId);
        return record.status === 'finished' ? record : null;
      });
      const [turn] = run.turns;
      const bytes = turn.log_end - turn.log_start;
      if (bytes !== Number(daemon.agent.BENCH_FLOOD_BYTES)) throw new Error(`${bytes} bytes`);
      ours.push(Date.parse(turn.finished_at) - Date.parse(turn.started_at));
      rmSync(run.log_path);
      direct.push(await captureDirectly(daemon.agent));
    }
  } finally {
    await daemon.stop();
  }
  return { ours, direct };
}

async function captureDirectly(agent) {
  const home = mkdtempSync(join(tmpdir(), 'looper-bench-'));
  const log = join(home, 'log');
  const fd = openSync(log, 'a');
  writeFileSync(agent.BENCH_MODE, 'flood');
  const started = performance.now();
  const child = spawn(agentPath, [], {
    stdio: ['ignore', fd, fd],
    env: { PATH: process.env.PATH, ...agent, BENCH_STARTED: join(home, 'started') },
  });
  await once(child, 'exit');
  const ms = performance.now() - started;
  closeSync(fd);
  if (statSync(log).size !== Number(agent.BENCH_FLOOD_BYTES)) throw new Error('the flood is short');
  rmSync(home, { recursive: true });
  return ms;
}
