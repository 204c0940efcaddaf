import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createAutopoll, type Autopoll } from './autopoll.ts';
import { createStateFile } from './autopoll/state.ts';
import { buildAgentEnvironment } from './codex/environment.ts';
import type { Config } from './config.ts';
import { openConfigFile } from './config-file.ts';
import { openAnnouncements } from './daemon/announcements.ts';
import { greet, NO_INIT } from './daemon/greeting.ts';
import { openLaunching } from './daemon/launching.ts';
import { findAgent, findMissing } from './daemon/readiness.ts';
import { removeLeftovers } from './daemon/leftovers.ts';
import { LooperError, messageOf } from './errors.ts';
import { scratchFolder } from './git/scratch.ts';
import { resolveRepository } from './git/repository.ts';
import { createChat } from './hooks/chat.ts';
import { createDeliveries } from './hooks/deliveries.ts';
import { createEventStreams } from './http/event-streams.ts';
import { createIdempotencyStore } from './http/idempotency.ts';
import { createLifecycle, type Lifecycle } from './lifecycle.ts';
import { startLogger } from './logger.ts';
import { createMetrics } from './metrics.ts';
import { startOutputMirror } from './mirror-output.ts';
import { findCgroups } from './processes/cgroup-place.ts';
import { createReplies } from './run/reply.ts';
import { createUnattended } from './run/unattended.ts';
import { readWorkFingerprint } from './runner/progress.ts';
import { createEventHub } from './runs/event-hub.ts';
import { createFollowers } from './runs/follow.ts';
import { acquireLock } from './runs/lock.ts';
import { createRunStore } from './runs/store.ts';
import { createSchedules } from './schedules.ts';
import { createApp, startServer } from './server.ts';
import { resolveTicketsDirectory } from './tickets/directory.ts';

const CLOSE_GRACE_MS = 2_000;

export interface DaemonOptions {
  readonly config: Config;
  readonly version: string;
  readonly looperDirectory: string;
  /** `dist/runner.js` */
  readonly runnerEntry: string;
  /** The daemon's own environment, of which the agent gets a part. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The clock by which the autopoll waits; milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface Daemon {
  readonly url: string;
  /** What a person at a terminal wants to know now. */
  readonly greeting: string;
  readonly autopoll: Autopoll;
  /** Ends the service; what becomes of the run is configured. Later calls share the first one. */
  stop(): Promise<void>;
}

/**
 * Wires the service and starts it: daemon lock, log, adoption, standby, HTTP, timer. What was
 * opened is closed again in reverse order, also when a later step fails.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const lifecycle = createLifecycle();
  try {
    return await start(options, lifecycle);
  } catch (error) {
    await lifecycle.close().catch(() => undefined);
    throw error;
  }
}

async function start(options: DaemonOptions, lifecycle: Lifecycle): Promise<Daemon> {
  const { config, environment } = options;
  const { directory } = config.logs;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (directory === join(options.looperDirectory, 'logs')) closeToOthers(directory);
  const lock = await acquireLock({
    directory,
    lock: 'daemon',
    holder: `pid ${process.pid} at ${config.client.baseUrl}`,
  });
  if (lock.kind === 'refused') throw alreadyRunning(directory, lock.holder);
  lifecycle.onClose('daemon lock', () => lock.release());

  const logger = await startLogger(config.logs, config.secretValues);
  lifecycle.onClose('server log', () => logger.close());
  const { log } = logger;
  for (const warning of config.warnings) log.warn({ warning }, 'config.warning');
  if (process.pid === 1) log.warn({ warning: NO_INIT }, 'server.no_init');

  removeLeftovers(directory, log);
  const file = openConfigFile(
    {
      path: config.configFile,
      variables: { ...config.agentEnvironment, ...environment },
      workspace: config.workspace.directory,
    },
    { log, addSecret: logger.redactor.add },
  );
  lifecycle.onClose('configuration file', () => file.close());

  const store = createRunStore({ ...config.logs, log });
  const metrics = createMetrics(store, log);
  const announcements = openAnnouncements({
    config,
    environment,
    file,
    store,
    metrics,
    logger,
    lifecycle,
  });
  const { outbox, announcer } = announcements;
  let triggerUrl = `${config.client.baseUrl}/run`;
  const environmentWith = (envFileRest: Config['agentEnvironment'], runId: string) =>
    buildAgentEnvironment({
      daemonEnv: environment,
      envFileRest,
      secretNames: [...config.secretNames, ...file.current().secretNames],
      runId,
      url: triggerUrl,
      ticket: null,
    });
  const launching = openLaunching(options, {
    store,
    metrics,
    announcements,
    agentEnvironment: (runId) => environmentWith(config.agentEnvironment, runId),
    // What the env file holds is the agent's, and comes to it with the order.
    runnerEnvironment: () => environmentWith({}, ''),
    lifecycle,
    log,
  });
  const { planner, watch, stale, standby, queue, runs } = launching;
  const triggers = createUnattended({
    runs,
    runDefaults: config.runs,
    announceFailure: (text, workspace) =>
      outbox.post({ kind: 'failed', text, runId: null, workspace }),
    log,
  });
  lifecycle.onClose('triggers', () => triggers.settled());
  lifecycle.onClose('run', async () => {
    await runs.shutdown();
    if (config.runs.onShutdown === 'stop') await watch.stop('shutdown');
    watch.detach();
  });

  await watch.adopt();
  // What a killed git call left; a run that goes on may have one under way.
  if (watch.active() === null) rmSync(scratchFolder(directory), { recursive: true, force: true });
  queue.repair();
  announcer.catchUp();
  outbox.resume();
  const autopoll = createAutopoll({
    config: config.autopoll,
    workspace: config.workspace.directory ?? null,
    runDefaults: config.runs,
    runs,
    watch,
    store,
    liveAgents: stale.find,
    workFingerprint: (workspace) => workOf(workspace, options),
    state: createStateFile(directory, log),
    onSkip: metrics.noteSkip,
    log,
    now: options.now ?? Date.now,
  });
  launching.tellEndsTo(autopoll);

  const replies = createReplies({
    store,
    runs,
    runDefaults: config.runs,
    ticketsDirectory: config.tickets.directory,
  });
  const redact = logger.redactor.text;
  const followers = createFollowers(store.find);
  const hub = createEventHub(store, log);
  if (config.logs.mirrorOutput) {
    const active = watch.active();
    const mirror = startOutputMirror({ followers, hub, find: store.find, active, log });
    lifecycle.onClose('output mirror', () => mirror.stop());
  }
  const streams = createEventStreams({ followers, hub, log });
  const app = createApp({
    config,
    version: options.version,
    runs,
    replies,
    watch,
    store,
    autopoll,
    hooks: {
      hooks: () => file.current().hooks,
      deliveries: createDeliveries(directory, log),
      triggers,
      chat: createChat({ triggers, watch, store, autopoll, replies, redact, log }),
    },
    reads: {
      streams,
      metrics,
      resolveWorkspace: planner.workspace,
      ticketsDirectory: config.tickets.directory,
    },
    idempotency: createIdempotencyStore(directory),
    // The runner's entry lies at the top of what was built.
    assetsDirectory: dirname(options.runnerEntry),
    missing: () => findMissing(options, announcements.problems),
    log,
  });
  const server = await startServer(app, config.http, log);
  lifecycle.onClose('http', () => server.close({ graceMs: CLOSE_GRACE_MS }));
  lifecycle.onClose('event streams', () => streams.close());
  // Port 0 is any free one, which is known only now.
  if (new URL(triggerUrl).port === '0') triggerUrl = `${server.url}/run`;
  standby.refill();
  void runs.startQueued();
  autopoll.start();
  lifecycle.onClose('autopoll', () => autopoll.stop());
  const schedules = createSchedules({ triggers, watch, log });
  lifecycle.onClose('schedules', () => schedules.stop());
  schedules.use(file.current().schedules);
  file.onChange((current) => schedules.use(current.schedules));
  // Ends first: a launch may wait for an hour, and both the timer and its caller wait for it.
  lifecycle.onClose('launch', () => runs.shutdown());
  const agent = await findAgent(options).catch(messageOf);
  const cgroup = findCgroups()?.own ?? null;
  log.info({ url: server.url, logDirectory: directory, cgroup }, 'server.started');

  return {
    url: server.url,
    greeting: greet(config, server.url, announcements, agent),
    autopoll,
    stop: () => {
      log.info({}, 'server.stopping');
      return lifecycle.close();
    },
  };
}

/** A checkout has made the log folder of a clone, readable for all; any other is its owner's to judge. */
function closeToOthers(directory: string): void {
  try {
    chmodSync(directory, 0o700);
  } catch {
    // It is somebody else's. Whether we may write there shows next.
  }
}

/** What the autopoll compares to learn whether somebody has changed the work meanwhile. */
async function workOf(workspace: string, { config, environment }: DaemonOptions) {
  const scratch = scratchFolder(config.logs.directory);
  const found = resolveTicketsDirectory(workspace, config.tickets.directory);
  return readWorkFingerprint({
    workspace,
    repository: await resolveRepository(workspace, { env: environment, scratch }),
    scratch,
    ticketsDirectory: found.kind === 'found' ? found.directory : null,
    ticketFile: null,
  });
}

function alreadyRunning(directory: string, holder: string | null): LooperError {
  return new LooperError(
    'ALREADY_RUNNING',
    `Looper already runs with the log directory ${directory} (${holder ?? 'its holder does not answer'}). Stop that one first, or name another directory in LOOPER_LOG_DIR.`,
  );
}
