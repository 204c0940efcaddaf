/**
 * The campaign's side of the crash points: learns which there are while nothing is killed, arms the
 * one that has been tried least, and reads who died of it.
 */
import { existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {object} Plan
 * @property {number} id
 * @property {'daemon' | 'runner'} role
 * @property {string} point
 * @property {number} occurrence
 * @property {'before' | 'after' | 'during'} when
 * @property {number} delayUs
 * @property {string} scenario in which this point has been seen
 */

/** What a run is made of; the rest (the server log, folders) has its turn after that. */
const CENTRAL =
  / (run\.|carry|queue|lock run|spawn (runner|fake)|send|kill|(open|write|rename) id\.)/;

/** Before one write is after the one before it; the rest is seen by others as soon as it is begun. */
function whensOf(name) {
  if (/ spawn (?!true)/.test(name)) return ['before', 'during', 'after'];
  return / (spawn|kill|lock|listen|send) /.test(name) ? ['before', 'after'] : ['after'];
}

/** @param {string} directory */
export function createCrashPlans(directory) {
  const pointsPath = join(directory, 'points.log');
  const planPath = join(directory, 'plan.json');
  const killsPath = join(directory, 'kills.log');
  writeFileSync(pointsPath, '');
  /** "<role> <point>" to how often one process crosses it, by scenario. */
  const known = new Map();
  /** "<role> <point> <when>" to how often it has been asked for, and how often a process died there. */
  const tried = new Map();
  const died = new Map();
  let lastId = 0;

  return {
    /** Forgets what has been crossed so far; `learn` then tells what a scenario crosses. */
    startLesson: () => truncateSync(pointsPath),
    learn: (scenario) => {
      const crossed = readFileSync(pointsPath, 'utf8').split('\n').filter(Boolean);
      const counts = new Map();
      for (const line of crossed) counts.set(line, (counts.get(line) ?? 0) + 1);
      for (const [line, count] of counts) {
        const name = line.slice(line.indexOf(' ') + 1);
        const byScenario = known.get(name) ?? new Map();
        byScenario.set(scenario, Math.max(count, byScenario.get(scenario) ?? 0));
        known.set(name, byScenario);
      }
    },
    /**
     * @param {import('./random.mjs').Random} random
     * @returns {Plan}
     */
    choose: (random) => {
      const all = [...known.keys()].flatMap((name) =>
        whensOf(name).map((when) => ({ name, when })),
      );
      const timesOf = ({ name, when }) => tried.get(`${name} ${when}`) ?? 0;
      const rankOf = (point) => 2 * timesOf(point) + (CENTRAL.test(point.name) ? 0 : 1);
      const first = Math.min(...all.map(rankOf));
      const point = random.pick(all.filter((candidate) => rankOf(candidate) === first));
      const { name, when } = point;
      tried.set(`${name} ${when}`, timesOf(point) + 1);
      const [scenario, count] = random.pick([...known.get(name)]);
      const blank = name.indexOf(' ');
      return {
        id: (lastId += 1),
        role: name.slice(0, blank),
        point: name.slice(blank + 1),
        occurrence: random.pick([1, count, random.between(1, count)]),
        when,
        delayUs: random.between(0, 1500),
        scenario,
      };
    },
    arm: (plan) => {
      writeFileSync(`${planPath}.new`, JSON.stringify(plan));
      renameSync(`${planPath}.new`, planPath);
    },
    disarm: () => rmSync(planPath, { force: true }),
    hasFired: (plan) => existsSync(join(directory, `fired-${plan.id}`)),
    /** Every process that died at a crash point, oldest first. */
    kills: () => {
      if (!existsSync(killsPath)) return [];
      const lines = readFileSync(killsPath, 'utf8').split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line));
    },
    noteDeath: ({ role, point, when }) => {
      const name = `${role} ${point} ${when}`;
      died.set(name, (died.get(name) ?? 0) + 1);
    },
    coverage: () => {
      const points = [...known.keys()].flatMap((name) => whensOf(name).map((w) => `${name} ${w}`));
      return { points, spared: points.filter((point) => !died.has(point)) };
    },
  };
}
