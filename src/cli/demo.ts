import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { resolveBinary } from '../codex/binary.ts';
import { loadConfig, type Config } from '../config.ts';
import { startDaemon } from '../daemon.ts';
import { demoEnvironment, type DemoPlace } from '../demo/environment.ts';
import { createPlace, fillRepository, listCommits, removePlace } from '../demo/place.ts';
import { TICKETS } from '../demo/story.ts';
import { SCHEMAS } from '../http/schemas.ts';
import { createLifecycle, type Lifecycle } from '../lifecycle.ts';
import type { RunRecord } from '../runs/record.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { createPaint } from './format.ts';
import { summariseRun } from './run-summary.ts';
import { createServiceSource } from './service-source.ts';
import { connect } from './source.ts';
import { createLiveView, exitCodeOfRun, watchRun } from './watch-run.ts';

export interface DemoOptions {
  /** The installed codex plays, not the scripted agent. */
  readonly real?: boolean;
  /** The folder stays. */
  readonly keep?: boolean;
}

/**
 * `looper demo`: a service of its own on a free port works through three tickets in a temporary
 * repository. Nothing of it is left, however it ends; other services and agents are not touched.
 */
export async function demo(cli: Cli, options: DemoOptions): Promise<ExitCode> {
  const interrupted = cli.interrupted(['SIGTERM', 'SIGHUP']);
  const lifecycle = createLifecycle();
  try {
    return await play(cli, options, lifecycle);
  } catch (error) {
    if (!interrupted.aborted) throw error;
    throw new CliError('The demo was interrupted; its run is ended.', EXIT.interrupted);
  } finally {
    await lifecycle.close();
  }
}

async function play(cli: Cli, options: DemoOptions, lifecycle: Lifecycle): Promise<ExitCode> {
  const place = createPlace(tmpdir());
  lifecycle.onClose('folder', () => close(cli, options, place));
  const environment = await castAgent(cli, options, place);
  await fillRepository(place, environment);

  const read = (more: Readonly<Record<string, string>> = {}): Config =>
    loadConfig({
      env: { ...environment, ...more },
      looperDirectory: cli.looperDirectory,
      isClone: false,
      homeDirectory: place.home,
      currentDirectory: place.repository,
      temporaryDirectory: tmpdir(),
    });
  const { version, looperDirectory, runnerEntry } = cli;
  const service = { config: read(), version, looperDirectory, runnerEntry, environment };
  const daemon = await startDaemon(service);
  lifecycle.onClose('service', () => daemon.stop());
  const config = read({ LOOPER_URL: daemon.url });
  const own: Cli = { ...cli, config: () => config, environment };

  await tellPlan(own, options, place);
  const record = await runToEnd(own);
  await tellEnd(own, record, place);
  await stayOpen(own);
  return exitCodeOfRun(record);
}

/** The demo's environment, with the agent that plays in it. Throws `CODEX_NOT_FOUND`. */
async function castAgent(
  cli: Cli,
  { real = false }: DemoOptions,
  place: DemoPlace,
): Promise<Record<string, string>> {
  const { runnerEntry, environment: given, looperDirectory } = cli;
  const scripted = join(dirname(runnerEntry), 'demo', `scripted-agent${extname(runnerEntry)}`);
  const { path: agent } = await resolveBinary({
    requested: null,
    configured: real ? (given['CODEX_EXEC_BINARY'] ?? null) : scripted,
    looperDirectory,
    path: given['PATH'] ?? '',
    workspace: place.repository,
  });
  return demoEnvironment({ given, place, agent, isReal: real, node: process.execPath });
}

async function tellPlan(cli: Cli, { real }: DemoOptions, place: DemoPlace): Promise<void> {
  const { baseUrl } = cli.config().client;
  const { binary } = cli.config().codex;
  const paint = createPaint(cli.output.colours);
  const row = (name: string, text: string): string => `  ${paint(name.padEnd(11), 'dim')}${text}`;
  const agent =
    real === true
      ? `codex (${binary}), with your account`
      : 'scripted agent: it plays a fixed part, without a model (--real: your codex)';
  await cli.output.data(
    `${[
      paint('Looper works through three tickets', 'bold'),
      row('agent', agent),
      row('repository', place.repository),
      row('service', `${baseUrl} (its own; yours is not touched)`),
      row('dashboard', `${baseUrl}/`),
      ...TICKETS.map(({ file, title }) => row(file.slice(0, 'TICKET-000'.length), title)),
      '',
      paint(`$ curl -X POST ${baseUrl}/run -d '{"zulip_message":"looper demo"}' …`, 'cyan'),
    ].join('\n')}\n`,
  );
}

async function runToEnd(cli: Cli): Promise<RunRecord> {
  const client = connect(cli);
  const { run_id: runId } = await client.post('/run', SCHEMAS.Accepted, {
    body: { zulip_message: 'looper demo' },
    headers: { Prefer: 'respond-async' },
  });
  const source = { kind: 'service', runs: createServiceSource(client), client } as const;
  const record = runId === null ? null : await source.runs.find(runId);
  if (record === null) throw new CliError('The service put no run on record.', EXIT.failed);
  const view = createLiveView(cli, record, false);
  return watchRun(cli, source, record, { hint: 'Ctrl-C ends the demo', view });
}

async function tellEnd(cli: Cli, record: RunRecord, place: DemoPlace): Promise<void> {
  const { colours } = cli.output;
  const paint = createPaint(colours);
  const commits = await listCommits(place, cli.environment, { colours });
  await cli.output.data(
    `\n${summariseRun(record, paint, Date.now()).join('\n')}\n\n` +
      `${paint('$ git log --oneline --stat', 'cyan')}\n${commits}`,
  );
}

/** A person may look at the dashboard as long as they like. */
async function stayOpen(cli: Cli): Promise<void> {
  if (!cli.input.isTerminal || !cli.output.isTerminal) return;
  await cli.output.data(
    `\nThe dashboard shows it all: ${cli.config().client.baseUrl}/\n` +
      'The service stays up for you to look around. Press Enter to end the demo.\n',
  );
  await cli.input.enter();
}

function close(cli: Cli, { keep = false }: DemoOptions, place: DemoPlace): void {
  if (!keep) {
    removePlace(place);
    cli.output.message('The demo has ended; nothing of it is left.');
    return;
  }
  cli.output.message(
    `Kept: ${place.folder}\n  LOOPER_LOG_DIR=${place.logs} looper logs   shows the run again`,
  );
}
