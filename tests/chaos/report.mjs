/** Says what went wrong at once, and at the end what was done. */
import { join } from 'node:path';
import { readText } from './run-files.mjs';

/** Events of the server log that tell of a bug. */
const BUGS = ['http.bug', 'run.watch_failed', 'run.close_failed'];

/** @param {{field: ReturnType<typeof import('./field.mjs').createField>, seed: number}} options */
export function createReport({ field, seed }) {
  const answers = new Map();
  const accepted = [];
  const startedAt = Date.now();
  let step = 'start';
  let description = '';
  let failures = 0;
  let bugsSeen = 0;

  const violation = (sentence, base) => {
    failures += 1;
    const files = base === undefined ? field.logs : `${join(field.logs, base)}.*`;
    console.log(`VIOLATION seed ${seed}, step ${step} ${description}\n  ${sentence}\n  ${files}`);
  };

  return {
    violation,
    failures: () => failures,
    startStep: (next) => {
      step = next;
      description = '';
    },
    describeStep: (what) => (description = JSON.stringify(what)),
    noteAnswer: (status) => answers.set(status, (answers.get(status) ?? 0) + 1),
    noteAccepted: (ms) => accepted.push(ms),
    readServerLog: () => {
      const lines = readText(join(field.logs, 'looper-server.log')).split('\n');
      const bugs = lines.filter((line) => BUGS.some((name) => line.includes(`"${name}"`)));
      for (const line of bugs.slice(bugsSeen)) violation(`the server log tells of a bug: ${line}`);
      bugsSeen = bugs.length;
    },
    endWith: (figures, { faults, checks, plans, daemons, receiver }) => {
      const { kills, counts } = faults;
      const count = (test) => kills.filter(test).length;
      const { points, spared } = plans.coverage();
      accepted.sort((a, b) => a - b);
      const rows = {
        kills: kills.length,
        '  daemon, runner, agent': ['daemon', 'runner', 'agent']
          .map((role) => count((kill) => kill.role === role))
          .join(', '),
        '  at a crash point': count(({ point }) => point !== undefined),
        'crash points where somebody died': `${points.length - spared.length} of ${points.length}`,
        'daemons started, contenders, pauses': `${daemons.count()}, ${counts.contenders}, ${counts.pauses}`,
        runs: checks.count(),
        '  by outcome': print(checks.outcomes()),
        agents: figures.started,
        'most agents at once': figures.agents,
        samples: `${figures.samples}, longest gap ${Math.round(figures.longestGapMs)} ms`,
        'answers to triggers and stops': print(answers),
        'next trigger accepted after': `${accepted[accepted.length >> 1]} ms (median), ${accepted.at(-1)} ms (longest)`,
        'announcements, repeated ones': `${receiver.heard.length}, ${receiver.heard.filter(({ isRepeated }) => isRepeated).length}`,
        violations: failures,
        seconds: Math.round((Date.now() - startedAt) / 1000),
      };
      for (const [name, value] of Object.entries(rows)) console.log(`${name.padEnd(40)} ${value}`);
      const isLong = spared.length < points.length / 2;
      if (isLong) console.log(`crash points where nobody died: ${spared.join('; ') || 'none'}`);
    },
  };
}

function print(counts) {
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
}
