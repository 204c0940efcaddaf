/**
 * The thread that looks every 5 ms how many agents live. Two at once are reported only when both
 * are still there at a second look each, one after the other: a list of processes is no snapshot.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { createWitness, isThere } from './proc.mjs';

const EVERY_MS = 5;

const { campaign, flags } = workerData;
const list = createWitness(campaign);
const figures = { samples: 0, agents: 0, longestGapMs: 0, started: 0 };
const reported = new Set();
const known = new Set();

for (let last = performance.now(); Atomics.load(flags, 0) === 0;) {
  Atomics.wait(flags, 0, 0, EVERY_MS);
  const now = performance.now();
  figures.longestGapMs = Math.max(figures.longestGapMs, now - last);
  last = now;
  figures.samples += 1;
  const seen = list();
  const agents = topAgents(seen);
  figures.agents = Math.max(figures.agents, agents.length);
  for (const { pid, start } of agents) known.add(`${pid} ${start}`);
  if (agents.length > 1 && agents.every(isThere) && agents.every(isThere)) report(agents, seen);
}
figures.started = known.size;
parentPort.postMessage({ kind: 'figures', figures }, []);

/** What an agent forks looks like the agent until it executes something else. */
function topAgents(seen) {
  const agents = seen.filter(({ role }) => role === 'agent');
  return agents.filter(({ ppid }) => !agents.some(({ pid }) => pid === ppid));
}

function report(agents, seen) {
  const key = agents.map(({ pid, start }) => `${pid} ${start}`).join(', ');
  if (reported.has(key)) return;
  reported.add(key);
  parentPort.postMessage({ kind: 'two agents', at: Date.now(), seen }, []);
}
