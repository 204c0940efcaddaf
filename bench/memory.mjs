/** What an idle daemon and its standby hold in memory (PSS shares common pages fairly). */
import { readFileSync, readdirSync } from 'node:fs';
import { startDaemon } from './daemon.mjs';

export async function measureMemory({ standby }) {
  const daemon = await startDaemon({ LOOPER_STANDBY_RUNNER: standby ? '1' : '0' });
  try {
    const { run_id: runId } = await (daemon.setMode('quick'), daemon.trigger());
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    if ((await daemon.run(runId)).status !== 'finished') throw new Error('the run goes on');
    const runners = childrenOf(daemon.pid);
    return { daemon: pssMb(daemon.pid), runners: runners.map(pssMb) };
  } finally {
    await daemon.stop();
  }
}

function pssMb(pid) {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)[1]) / 1024;
}

function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    });
}
