/** Collects samples and prints them as one Markdown table, and the goals as another. */
import { cpus } from 'node:os';

export function createReport() {
  const rows = [];
  const goals = [];
  return {
    /** One line of the table. Returns the median. */
    row(what, samples, unit) {
      const sorted = samples.toSorted((a, b) => a - b);
      const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
      const text = (value) => `${round(value)} ${unit}`;
      rows.push(`| ${what} | ${text(at(0.5))} | ${text(at(0.95))} | ${sorted.length} |`);
      console.error(rows.at(-1));
      return at(0.5);
    },
    /** What was measured against what is wanted, both of this run. */
    goal(what, measured, limit, unit) {
      const verdict = measured <= limit ? 'met' : `missed by ${round(measured - limit)} ${unit}`;
      goals.push(`| ${what} | ${round(measured)} ${unit} | ${round(limit)} ${unit} | ${verdict} |`);
    },
    print() {
      const [{ model }] = cpus();
      console.log(
        `Node ${process.versions.node}, ${process.platform}, ${cpus().length} × ${model}\n`,
      );
      console.log('| what | median | p95 | n |\n|---|---|---|---|');
      console.log(rows.join('\n'));
      console.log('\n| goal | measured | at most | |\n|---|---|---|---|');
      console.log(goals.join('\n'));
    },
  };
}

/** Runs each of `variants` in turn, `times` times, so that a slow moment hits all of them alike. */
export async function interleave(variants, times) {
  const samples = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
  for (let i = 0; i < times; i += 1) {
    for (const [name, measure] of Object.entries(variants)) samples[name].push(await measure());
  }
  return samples;
}

export function median(samples) {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1];
}

function round(value) {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}
