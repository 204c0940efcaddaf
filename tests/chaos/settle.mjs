/** What must hold after every step: Looper is as good as new. */
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './daemons.mjs';
import { createStage, trigger } from './scenarios.mjs';

const ACCEPT_MS = 15_000;
const SETTLE_MS = 15_000;

/** The next trigger must be accepted, its run succeed, and then nothing be left. */
export async function settle(campaign, random) {
  const { field, daemons, receiver, faults, checks, report, witness } = campaign;
  faults.resumeAll();
  receiver.strikeNext(null);
  receiver.be('well');
  const started = performance.now();
  const stage = createStage(campaign, random, () => false);
  let answer;
  do {
    answer = await trigger(stage, 'prompt', { lines: 5, everyMs: 1 });
    if (answer.status !== 200) await delay(20);
  } while (answer.status !== 200 && performance.now() - started < ACCEPT_MS);
  const acceptedMs = Math.round(performance.now() - started);
  report.noteAccepted(acceptedMs);
  if (answer.status !== 200 || acceptedMs > ACCEPT_MS) {
    report.violation(
      `the next trigger was not accepted within ${ACCEPT_MS} ms (${acceptedMs}): ${JSON.stringify(answer)}`,
    );
  }
  await untilQuiet(field, report);
  noteDeaths(campaign);
  checks.checkEnded(faults.kills);
  const probe = await ask(await daemons.ready(ACCEPT_MS), 'GET', `/runs/${answer.body.run_id}`);
  if (probe.body.run?.outcome !== 'succeeded') {
    report.violation(`the run after it did not succeed: ${JSON.stringify(probe.body)}`);
  }
  const left = witness().filter(({ runId }) => runId !== null);
  if (left.length > 0) report.violation(`processes are left: ${JSON.stringify(left)}`);
  report.readServerLog();
}

async function untilQuiet({ isQuiet }, report) {
  const deadline = performance.now() + SETTLE_MS;
  while (!isQuiet() && performance.now() < deadline) await delay(10);
  if (!isQuiet()) report.violation(`a run has not ended in ${SETTLE_MS} ms`);
}

/** Who died at a crash point is a kill like any other. */
function noteDeaths({ plans, faults }) {
  const known = faults.kills.filter(({ point }) => point !== undefined).length;
  for (const death of plans.kills().slice(known)) {
    faults.kills.push({ ...death, from: death.at, to: death.at });
    plans.noteDeath(death);
  }
}
