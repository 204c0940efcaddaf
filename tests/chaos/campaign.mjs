/**
 * The crash campaign: starts daemons, runs and agents for real, kills them at random instants and
 * at every numbered write, and checks all the time that Looper keeps its promises:
 *
 *  1. at most one agent lives, whatever has just died (looked at every 5 ms);
 *  2. every run gets exactly one final state and one final event;
 *  3. `lost` means that the runner was killed (or killed with the daemon before it began), and the
 *     other way round;
 *  4. the numbered output of every agent has no gap, and its log has one trailer, at the end;
 *  5. nothing that carries a run's marker is left once the run has ended;
 *  6. the next trigger is accepted within 15 s and its run succeeds;
 *  7. every end is announced once, or says that it is a repetition;
 *  8. no daemon ends by itself, and none meets a bug.
 *
 *     node tests/chaos/campaign.mjs --kills 500 --seed 1
 *
 * Needs `dist/` and Linux. The last line is `N passed, N failed`, counted in runs.
 */
import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { checkAnnounced } from './announced.mjs';
import { createChecks } from './checks.mjs';
import { startSampler } from './count-agents.mjs';
import { createCrashPlans } from './crash-plans.mjs';
import { createDaemons } from './daemons.mjs';
import { createFaults, planFaults } from './faults.mjs';
import { createField } from './field.mjs';
import { createWitness } from './proc.mjs';
import { createRandom } from './random.mjs';
import { startReceiver } from './receiver.mjs';
import { createReport } from './report.mjs';
import { createStage, SCENARIOS } from './scenarios.mjs';
import { settle } from './settle.mjs';

/** Of the steps; the others strike at random instants. */
const CRASH_POINT_SHARE = 0.65;
/** A crash point that a scenario did not reach is no kill; so many in a row end the campaign. */
const MAX_STEPS_PER_KILL = 10;
const START_MS = 15_000;

process.exit(await main());

async function main() {
  const { kills, seed } = readArguments();
  if (process.platform !== 'linux') {
    console.log('SKIPPED: the campaign reads /proc, which only Linux has.');
    return 0;
  }
  const receiver = await startReceiver();
  const field = createField(receiver.url);
  const report = createReport({ field, seed });
  const plans = createCrashPlans(field.chaos);
  const daemons = createDaemons(field, report.violation);
  const witness = createWitness(field.chaos);
  const faults = createFaults(witness, daemons);
  const checks = createChecks(field.logs, report.violation);
  const sampler = startSampler(field.chaos, report.violation);
  leaveNothing(faults);
  const campaign = { field, report, plans, daemons, receiver, witness, faults, checks, seed };

  try {
    console.log(`seed ${seed}, ${kills} kills, in ${field.home}`);
    await learnPoints(campaign);
    for (let step = 1; countKills(campaign) < kills; step += 1) {
      if (step > kills * MAX_STEPS_PER_KILL) throw new Error('the crash points are not reached');
      report.startStep(step);
      await takeStep(campaign, createRandom(seed, step));
    }
    checks.checkAll();
    await checkAnnouncements(campaign);
  } catch (error) {
    report.violation(`the campaign broke off: ${error.stack}`);
  }
  report.endWith(await sampler.stop(), campaign);
  await faults.killEverybody();
  receiver.close();
  if (report.failures() === 0) rmSync(field.home, { recursive: true, force: true });
  else console.log(`kept for you to look at: ${field.home}`);
  console.log(`${checks.count()} passed, ${report.failures()} failed`);
  return report.failures() === 0 ? 0 : 1;
}

function readArguments() {
  const options = { kills: { type: 'string' }, seed: { type: 'string' } };
  const { values } = parseArgs({ options });
  const kills = Number(values.kills ?? 500);
  const seed = Number(values.seed ?? Date.now() % 100_000);
  if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) {
    console.error('--kills and --seed take whole numbers');
    process.exit(2);
  }
  return { kills, seed };
}

/** Who ends the campaign itself, or a bug in it, ends its processes too. */
function leaveNothing({ killEverybody }) {
  const end = (code) => void killEverybody().then(() => process.exit(code));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(130));
  process.once('uncaughtException', (error) => {
    console.error(error);
    end(1);
  });
}

/** Every scenario once with nothing killed: shows that all is well, and which crash points exist. */
async function learnPoints(campaign) {
  const { plans, report } = campaign;
  for (const name of Object.keys(SCENARIOS)) {
    report.startStep(`lesson ${name}`);
    const random = createRandom(campaign.seed);
    // Its start belongs to the scenarios that kill a daemon.
    await campaign.daemons.ready(START_MS);
    plans.startLesson();
    await SCENARIOS[name](createStage(campaign, random, () => false));
    plans.learn(name);
    await settle(campaign, random);
  }
}

async function takeStep(campaign, random) {
  const { plans, faults, report } = campaign;
  const plan = random.chance(CRASH_POINT_SHARE) ? plans.choose(random) : null;
  const names = Object.keys(SCENARIOS);
  const name = plan?.scenario ?? random.pick(names);
  const planned = plan === null ? planFaults(random) : [];
  report.describeStep({ scenario: name, ...(plan === null ? { faults: planned } : { plan }) });
  if (plan !== null) plans.arm(plan);

  let isDone = plan !== null;
  const acting = faults.run(planned, random).then(() => (isDone = true));
  const isOver = () => isDone && (plan === null || plans.hasFired(plan));
  await SCENARIOS[name](createStage(campaign, random, isOver));
  await acting;
  plans.disarm();
  await settle(campaign, random);
}

/** What rests after a failure is sent at once by a daemon that has just been started. */
async function checkAnnouncements({ field, report, daemons, receiver }) {
  report.startStep('announcements');
  const daemon = await daemons.ready(START_MS);
  daemons.askToEnd(daemon);
  await daemon.exited;
  await daemons.ready(START_MS);
  await checkAnnounced(field.logs, receiver.heard, report.violation);
}

function countKills({ faults }) {
  return faults.kills.length;
}
