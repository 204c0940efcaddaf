/**
 * Measures Looper beside floors that are measured in the same run, in turn with it, and prints
 * Markdown. `npm run bench`; `-- --quick` for a first impression; a word runs one part only:
 * launch, cold, idle, rates, capture, turns, stop, scale.
 */
import { measureCapture } from './capture.mjs';
import { measureLaunch } from './launch.mjs';
import { measureStop, measureTurns } from './loop.mjs';
import { createReport } from './report.mjs';
import { measureScale } from './scale.mjs';
import { measureColdStart, measureIdle, measureRates } from './servers.mjs';

const words = process.argv.slice(2);
const quick = words.includes('--quick');
const wanted = words.filter((word) => !word.startsWith('--'));
const repetitions = quick ? 5 : 20;
const report = createReport();

const parts = {
  launch: () => measureLaunch(report, { repetitions }),
  cold: () => measureColdStart(report, { repetitions }),
  idle: () =>
    measureIdle(
      report,
      quick ? { restSeconds: 15, seconds: 10 } : { restSeconds: 30, seconds: 60 },
    ),
  rates: () => measureRates(report, { repetitions: 3, seconds: quick ? 1 : 3 }),
  capture: () => measureCapture(report, { repetitions: quick ? 2 : 7, megabytes: 200 }),
  turns: () => measureTurns(report, { repetitions: quick ? 1 : 4 }),
  stop: () => measureStop(report, { repetitions }),
  scale: () =>
    measureScale(report, { repetitions, tickets: 10_000, runs: 10_000, processes: 2_000 }),
};
const unknown = wanted.filter((word) => !Object.hasOwn(parts, word));
if (unknown.length > 0) throw new Error(`no such part: ${unknown.join(', ')}`);
if (process.platform !== 'linux') throw new Error('the benchmark reads /proc: it needs Linux');
for (const [name, measure] of Object.entries(parts)) {
  if (wanted.length === 0 || wanted.includes(name)) await measure();
}
report.print();
