/**
 * Measures what a trigger costs, beside floors that are measured in the same run, and prints one
 * table in Markdown. `npm run bench`; `-- --quick` for a first impression.
 */
import { cpus } from 'node:os';
import { measureCapture } from './capture.mjs';
import { measureDirectSpawn, measureLaunch } from './launch.mjs';
import { measureMemory } from './memory.mjs';

const quick = process.argv.includes('--quick');
const repetitions = quick ? 5 : 20;
const rows = [];

const direct = await measureDirectSpawn(repetitions);
row('agent spawned directly (floor)', direct, 'ms');
for (const standby of [true, false]) {
  for (const stale of [false, true]) {
    const label = `${stale ? 1 : 0} stale, ${standby ? 'with' : 'without'} standby`;
    const { toAgent, toAnswer } = await measureLaunch({ repetitions, standby, stale });
    row(`trigger → agent's first instruction, ${label}`, toAgent, 'ms');
    row(`trigger → response, ${label}`, toAnswer, 'ms');
  }
}
if (process.platform === 'linux') {
  for (const standby of [true, false]) {
    const { daemon, runners } = await measureMemory({ standby });
    row(`idle PSS of the daemon, ${standby ? 'with' : 'without'} standby`, [daemon], 'MB');
    for (const runner of runners) row('idle PSS of the standby runner', [runner], 'MB');
  }
}
const { ours, direct: redirect } = await measureCapture(quick ? 1 : 5);
row('200 MB of output straight into a file (floor)', redirect, 'ms');
row('200 MB of output through a run', ours, 'ms');

console.log(`Node ${process.versions.node}, ${process.platform}, ${cpus().length} cores\n`);
console.log('| what | median | p95 | n |\n|---|---|---|---|');
console.log(rows.join('\n'));

function row(what, values, unit) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  rows.push(
    `| ${what} | ${at(0.5).toFixed(1)} ${unit} | ${at(0.95).toFixed(1)} ${unit} | ${sorted.length} |`,
  );
}
