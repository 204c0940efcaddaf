/**
 * The other entry: the detached process of one run. It waits at its gate, takes the run lock,
 * drives the run to one outcome and writes that down. Whatever becomes of the daemon meanwhile
 * does not matter here. At its start it loads Node's own modules only; what judges a turn and
 * drives a ticket loop is loaded while the first agent works.
 */
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { messageOf } from './errors.ts';
import { createRunCgroup, type RunCgroup } from './processes/cgroup.ts';
import { readIdentity } from './processes/identity.ts';
import { stopTree, sweepMarked } from './processes/stop.ts';
import { formatCommand } from './codex/command.ts';
import { bareEnd, readEnd, type RunEnd } from './runs/end-file.ts';
import { runFiles } from './runs/files.ts';
import { finishRun } from './runs/finish.ts';
import { acquireLock } from './runs/lock.ts';
import { createLog } from './runs/log-file.ts';
import { createRunIdLookup } from './runs/run-ids.ts';
import { readStopReason, type StopReason } from './runs/stop-file.ts';
import { endTurn, startTurn, turnCommand, type TurnContext } from './runner/execute-turn.ts';
import { openGate, type Gate } from './runner/gate.ts';
import type { RunOrder } from './runner/order.ts';
import { prewarm } from './runner/prewarm.ts';
import { createRunWriter, type RunWriter } from './runner/run-writer.ts';
import { readVersion } from './version.ts';

/** A run that is being replaced lets go of its lock within this time, or we report who holds it. */
const LOCK_WAIT_MS = 250;
const LEFTOVER_GRACE_MS = 2_000;

/** Read at once: an upgrade may replace the file while this process waits for its order. */
const version = readVersion(dirname(dirname(fileURLToPath(import.meta.url))));

async function main(): Promise<void> {
  const stop = new AbortController();
  const gate = openGate();
  // A terminal's hang-up is no business of a detached process.
  process.on('SIGHUP', () => undefined);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

  // Without memory or processes a spawn throws, which must not end a run that has just begun.
  prewarm().catch(() => undefined);
  const order = await Promise.race([gate.order, aborted(stop.signal)]);
  if (order === null) return;

  const { logDirectory } = order;
  const cgroup = createRunCgroup(order.record.run_id);
  // The kernel takes some milliseconds, in which lock, sweep and files are seen to.
  void cgroup.enter();
  const lock = await acquireLock({
    directory: logDirectory,
    lock: 'run',
    holder: order.record.run_id,
    waitMs: LOCK_WAIT_MS,
  });
  if (lock.kind === 'refused') {
    gate.reply({ kind: 'busy', holder: lock.holder });
    await cgroup.close();
    return;
  }
  try {
    await holdRun(order, gate, cgroup, stop.signal);
  } finally {
    await cgroup.close();
    await lock.release();
  }
}

/** Everything that happens under the run lock. */
async function holdRun(
  order: RunOrder,
  gate: Gate,
  cgroup: RunCgroup,
  stop: AbortSignal,
): Promise<void> {
  const runId = order.record.run_id;
  const files = runFiles(order.logDirectory, order.base);
  // The daemon died, or gave this run up and wrote its end, before the lock was ours.
  if (gate.isClosed() || readEnd(files.end) !== null) return;

  const writer = createRunWriter(files, order.record);
  const noteStop = (): void => {
    writer.record.status = 'stopping';
    writer.save();
    writer.event('stopping', { reason: stopReasonOf(writer) });
  };
  const finish = (end: RunEnd): void => {
    // What is written from here on is final.
    stop.removeEventListener('abort', noteStop);
    finishRun(files, writer.record, end);
    gate.reply({ kind: 'ended', outcome: end.outcome });
  };
  let isCrashing = false;
  const crash = async (error: unknown): Promise<void> => {
    if (isCrashing) process.exit(1);
    isCrashing = true;
    const sentence = `Looper's runner failed: ${messageOf(error)}`;
    writer.event('warning', {
      message: sentence,
      stack: error instanceof Error ? error.stack : '',
    });
    if (writer.record.agent !== null) {
      await stopTree({
        roots: [writer.record.agent],
        marker: (id) => id === runId,
        graceMs: order.limits.graceMs,
      });
    }
    await cgroup.close();
    finish(bareEnd('failed', sentence));
    process.exit(1);
  };
  process.on('uncaughtException', (error) => void crash(error));
  process.on('unhandledRejection', (error) => void crash(error));

  if (order.version !== version) {
    const reason = `The service is Looper ${order.version}, and ${version} is installed by now. Restart the service, then trigger again.`;
    gate.reply({ kind: 'refused', reason, survivors: [] });
    finish(bareEnd('spawn_failed', reason));
    return;
  }
  const isRun = createRunIdLookup(order.logDirectory);
  const leftover = await sweepMarked({
    // Of this run nothing was started yet, and its own cgroup is being made.
    marker: (id) => id !== runId && isRun(id),
    graceMs: LEFTOVER_GRACE_MS,
    // The daemon has just looked, too.
    cleanLooks: 1,
  });
  if (leftover.survivors.length > 0) {
    const reason = survivedSentence(leftover.survivors);
    gate.reply({ kind: 'refused', reason, survivors: leftover.survivors });
    finish(bareEnd('spawn_failed', reason));
    return;
  }
  stop.addEventListener('abort', noteStop, { once: true });
  try {
    finish(await drive(order, writer, gate, cgroup, stop));
  } catch (error) {
    await crash(error);
  }
}

async function drive(
  order: RunOrder,
  writer: RunWriter,
  gate: Gate,
  cgroup: RunCgroup,
  stop: AbortSignal,
): Promise<RunEnd> {
  const { record, limits } = order;
  const command = turnCommand(order.command, order.firstTurn, writer.files.lastMessage(1));
  const runStart = performance.now();
  const context: TurnContext = {
    order,
    writer,
    logFd: createLog(writer.files.log, {
      requestId: order.requestId,
      workspace: record.workspace,
      command: formatCommand(command),
    }),
    runStart,
    runDeadline: limits.runTimeoutMs === null ? null : runStart + limits.runTimeoutMs,
    stop,
    cgroup,
    onLook: () => undefined,
  };
  Object.assign(writer.record, {
    status: 'running',
    started_at: new Date().toISOString(),
    runner: readIdentity(process.pid),
  });
  writer.event('started', { command: formatCommand(command) });
  const first = await startTurn(context, order.firstTurn);
  if (first.kind === 'spawn_failed') {
    gate.reply({ kind: 'refused', reason: first.message, survivors: [] });
    return bareEnd('spawn_failed', first.message);
  }
  gate.reply({ kind: 'started', pid: first.agent.identity.pid });

  const late = import('./runner/drive.ts').then(({ createDrive }) => createDrive(context));
  // It is judged when the turn has ended; until then the agent works on.
  late.catch(() => undefined);
  const exit = await endTurn(context, first);
  gate.reply({ kind: 'turn_exited', exitCode: exit.exitCode, signal: exit.signal });
  const drive = await late.catch((error: unknown) => {
    throw new Error(
      `what judges a turn could not be loaded, for Looper's files were replaced or removed (${messageOf(error)}). What the agent did is in the log and in the workspace. Restart the service, then trigger again.`,
      { cause: error },
    );
  });
  const end = await drive.finish(first.turn, exit);
  return end.outcome === 'stopped' ? stoppedEnd(writer, end) : end;
}

function stoppedEnd(writer: RunWriter, end: RunEnd): RunEnd {
  const outcome = stopReasonOf(writer);
  const sentences = {
    stopped: 'A person stopped it.',
    replaced: 'A newer trigger replaced it.',
    shutdown: 'The service was shut down.',
  } as const;
  return { ...end, outcome, reason: sentences[outcome], question: null };
}

/** Whoever asked for the stop has put the reason on disk; a bare SIGTERM is the service's. */
function stopReasonOf({ files }: RunWriter): StopReason {
  return readStopReason(files.stop) ?? 'shutdown';
}

function survivedSentence(pids: readonly number[]): string {
  return `Processes of an earlier run survived SIGKILL (pids ${pids.join(', ')}); nothing was started over them. Look at them with ps and remove the cause, then trigger again.`;
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}

try {
  await main();
  process.exit(0);
} catch (error) {
  // stderr is a file of the log directory: the only evidence of a runner that never had a run.
  process.stderr.write(`${new Date().toISOString()} runner ${process.pid}: ${String(error)}\n`);
  process.exit(1);
}
