/**
 * What Looper is asked to do in one step of a campaign. A scenario may fail at any instant, for
 * that is what the campaign is about: it only asks, and waits a while.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './daemons.mjs';
import { turnOf } from './field.mjs';

const READY_MS = 15_000;
const WAIT_MS = 4_000;

/**
 * @typedef {object} Stage
 * @property {ReturnType<typeof import('./field.mjs').createField>} field
 * @property {ReturnType<typeof import('./daemons.mjs').createDaemons>} daemons
 * @property {import('./random.mjs').Random} random
 * @property {(role: string) => boolean} kill one process of the campaign that has this role
 * @property {() => boolean} isOver whether there is nothing more to wait for
 * @property {() => Promise<void>} killEverybody
 * @property {Awaited<ReturnType<typeof import('./receiver.mjs').startReceiver>>} receiver
 * @property {(status: number) => void} noteAnswer
 */

/**
 * @param {{field: Stage['field'], daemons: Stage['daemons'], receiver: Stage['receiver'], faults: any, report: any}} campaign
 * @param {Stage['random']} random
 * @param {Stage['isOver']} isOver
 * @returns {Stage}
 */
export function createStage({ field, daemons, receiver, faults, report }, random, isOver) {
  return {
    field,
    daemons,
    random,
    isOver,
    receiver,
    kill: (role) => faults.kill(role, random),
    killEverybody: faults.killEverybody,
    noteAnswer: report.noteAnswer,
  };
}

/** @type {Record<string, (stage: Stage) => Promise<void>>} */
export const SCENARIOS = {
  async prompt(stage) {
    await trigger(stage, 'prompt', { lines: stage.random.between(1, 60), everyMs: 1 });
    await untilQuiet(stage);
  },

  async tickets(stage) {
    await trigger(stage, 'tickets', { lines: stage.random.between(1, 20), everyMs: 1 });
    await untilQuiet(stage);
  },

  async replace(stage) {
    await trigger(stage, 'prompt', { lines: 500, everyMs: 2, family: stage.random.chance(0.3) });
    await pause(stage, 200);
    await trigger(stage, 'prompt', { lines: 20, everyMs: 1 });
    await untilQuiet(stage);
  },

  async stop(stage) {
    const { chance } = stage.random;
    const turn = { lines: 500, everyMs: 2, family: chance(0.7), stubborn: chance(0.4) };
    await trigger(stage, 'prompt', turn);
    await pause(stage, 200);
    const daemon = await stage.daemons.ready(READY_MS);
    stage.noteAnswer((await ask(daemon, 'POST', '/runs/current/stop', {})).status);
    await untilQuiet(stage);
  },

  async adopt(stage) {
    await trigger(stage, 'prompt', { lines: stage.random.between(1, 300), everyMs: 2 });
    await pause(stage, 100);
    stage.kill('daemon');
    await pause(stage, 50);
    await stage.daemons.ready(READY_MS);
    await untilQuiet(stage);
  },

  /** The runner dies and leaves its agent with a whole family; the daemon cleans up. */
  async lost(stage) {
    const { chance } = stage.random;
    const turn = { lines: 500, everyMs: 2, family: chance(0.6), stubborn: chance(0.3) };
    await trigger(stage, 'prompt', turn);
    await pause(stage, 150);
    stage.kill('runner');
    await untilQuiet(stage);
  },

  async shutdown(stage) {
    await trigger(stage, 'prompt', { lines: stage.random.between(50, 300), everyMs: 2 });
    await pause(stage, 100);
    const daemon = await stage.daemons.ready(READY_MS);
    stage.daemons.askToEnd(daemon);
    await Promise.race([daemon.exited, delay(WAIT_MS)]);
    await stage.daemons.ready(READY_MS);
    await untilQuiet(stage);
  },

  /** One waits behind a run; a newer one takes its place, or a person takes it out. */
  async queue(stage) {
    const { pick } = stage.random;
    await trigger(stage, 'prompt', { lines: 150, everyMs: 2 });
    const { body } = await trigger(stage, 'prompt', { lines: 150, everyMs: 2 }, 'queue');
    const then = pick(['wait', 'supersede', 'cancel']);
    if (then === 'supersede') await trigger(stage, 'prompt', { lines: 20, everyMs: 1 }, 'queue');
    if (then === 'cancel' && body.run_id !== undefined) {
      const daemon = await stage.daemons.ready(READY_MS);
      stage.noteAnswer((await ask(daemon, 'POST', `/runs/${body.run_id}/stop`, {})).status);
    }
    await untilQuiet(stage);
  },

  /** The daemon dies of what it is announcing, and the chat has its moods. */
  async announce(stage) {
    const { receiver, random } = stage;
    receiver.be(random.pick(['well', 'slow', 'slow', 'ill', 'mute']));
    const strike = {
      when: random.pick(['before the answer', 'after the answer']),
      event: random.pick(['start', 'end', 'end']),
      perform: () => stage.kill('daemon'),
    };
    receiver.strikeNext(random.chance(0.7) ? strike : null);
    await trigger(stage, 'prompt', { lines: random.between(1, 60), everyMs: 1 });
    await untilQuiet(stage);
    await pause(stage, 150);
  },

  /** The machine loses its power. */
  async reboot(stage) {
    const mode = stage.random.pick(['prompt', 'tickets']);
    await trigger(stage, mode, { lines: stage.random.between(1, 200), everyMs: 2 });
    await pause(stage, 100);
    await stage.killEverybody();
    stage.field.reboot();
    await stage.daemons.ready(READY_MS);
    await untilQuiet(stage);
  },
};

/** Asks for a run as a client does; `stage.noteAnswer` hears what came of it. */
export async function trigger({ field, daemons, noteAnswer }, mode, turn, onBusy = 'replace') {
  const workspace = field.workspaces[mode];
  field.script(workspace, turnOf({ ...turn, ticket: mode === 'tickets' }));
  if (mode === 'tickets') field.openTickets(2);
  const daemon = await daemons.ready(READY_MS);
  const body = { zulip_message: 'chaos', workspace, on_busy: onBusy };
  const prompt = mode === 'prompt' ? { codex_prompt: 'print lines' } : {};
  const answer = await ask(daemon, 'POST', '/run', { ...body, ...prompt });
  noteAnswer(answer.status);
  return answer;
}

async function untilQuiet({ field, isOver }) {
  const deadline = performance.now() + WAIT_MS;
  while (performance.now() < deadline && !isOver() && !field.isQuiet()) await delay(10);
}

function pause({ random }, maxMs) {
  return delay(random.between(0, maxMs));
}
