import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { z } from 'zod';
import { systemErrorCode } from '../errors.ts';
import { SCHEMAS } from '../http/schemas.ts';
import { inertLine } from '../render/inert.ts';
import type { RunRecord } from '../runs/record.ts';
import type { Client, PostOptions } from './client.ts';
import { Refused } from './client-errors.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { createPaint } from './format.ts';
import { summariseRun } from './run-summary.ts';
import { createServiceSource } from './service-source.ts';
import { connect } from './source.ts';
import { createLiveView, exitCodeOfRun, watchRun } from './watch-run.ts';

/** Announcement, clean-up and delay are waited for only where nothing is started. */
const CLEAN_UP_MS = 290_000;

export interface RunOptions {
  readonly workspace?: string;
  readonly message?: string;
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly onBusy?: string;
  readonly model?: string;
  readonly reasoning?: string;
  readonly detach?: boolean;
  readonly json?: boolean;
}

/** `looper run`: triggers a run and follows it to its end; the exit code says how it went. */
export async function run(cli: Cli, options: RunOptions): Promise<ExitCode> {
  const client = connect(cli);
  const workspace = resolve(cli.currentDirectory, options.workspace ?? '.');
  const prompt = await readPrompt(cli, options);
  const body = {
    message: options.message ?? `Run in ${basename(workspace)}, started from the command line`,
    workspace,
    codex_prompt: prompt,
    on_busy: options.onBusy,
    model: options.model,
    reasoning: options.reasoning,
  };
  if (prompt === '') return cleanUp(cli, client, body, options);

  const headers = { Prefer: 'respond-async' };
  const answer = await trigger(client, SCHEMAS.Accepted, { body, headers }, options);
  for (const warning of answer.warnings) cli.output.message(`warning: ${inertLine(warning)}`);
  const runId = answer.run_id;
  if (runId === null)
    throw new CliError('The service started no run and did not say why.', EXIT.failed);
  if (options.detach === true) {
    await (options.json === true
      ? cli.output.json({ ok: true, run_id: runId, warnings: answer.warnings })
      : cli.output.data(`${runId}\n`));
    if (cli.output.isTerminal) cli.output.message(`Follow it with: looper logs -f ${runId}`);
    return EXIT.done;
  }
  cli.output.message(`Run ${runId} in ${workspace}`);
  return follow(cli, client, runId, options.json === true);
}

async function follow(cli: Cli, client: Client, runId: string, json: boolean): Promise<ExitCode> {
  const source = { kind: 'service', runs: createServiceSource(client), client } as const;
  const record = await source.runs.find(runId);
  if (record === null) throw new CliError(`Run ${runId} is not on record.`, EXIT.failed);
  const view = json ? null : createLiveView(cli, record, false);
  const final = await watchRun(cli, source, record, { hint: 'Ctrl-C detaches', view }).catch(
    (error: unknown) => {
      if (error instanceof CliError && error.exitCode === EXIT.interrupted) throw detached(runId);
      throw error;
    },
  );
  await showEnd(cli, final, json);
  return exitCodeOfRun(final);
}

async function showEnd(cli: Cli, final: RunRecord, json: boolean): Promise<void> {
  if (json) return cli.output.json({ ok: final.outcome === 'succeeded', run: final });
  const lines = summariseRun(final, createPaint(cli.output.colours), Date.now());
  await cli.output.data(`\n${lines.join('\n')}\n`);
}

function detached(runId: string): CliError {
  return new CliError(
    `Detached; run ${runId} goes on.\n  looper logs -f ${runId}   come back to it\n  looper stop ${runId}      end it`,
    EXIT.interrupted,
  );
}

/** An empty prompt: announce and stop stale agents, start nothing. Nothing is left to follow. */
async function cleanUp(
  cli: Cli,
  client: Client,
  body: Readonly<Record<string, unknown>>,
  { json, ...options }: RunOptions,
): Promise<ExitCode> {
  const request = { body, deadlineMs: CLEAN_UP_MS };
  const answer = await trigger(client, SCHEMAS.RunAnswer, request, options);
  for (const warning of answer.warnings) cli.output.message(`warning: ${inertLine(warning)}`);
  const pids = answer.killed_codex_exec_pids;
  if (json === true)
    await cli.output.json({ ok: true, run_id: null, killed_codex_exec_pids: pids });
  else {
    const stopped = pids.length === 0 ? 'no agent was alive' : `stopped agents ${pids.join(', ')}`;
    await cli.output.data(`Announced; ${stopped}; nothing was started.\n`);
  }
  return EXIT.done;
}

async function trigger<T>(
  client: Client,
  schema: z.ZodType<T>,
  request: PostOptions,
  options: RunOptions,
): Promise<T> {
  try {
    return await client.post('/run', schema, request);
  } catch (error) {
    const isElsewhere = error instanceof Refused && error.code === 'WORKSPACE_INVALID';
    if (!isElsewhere || client.isLocal || options.workspace !== undefined) throw error;
    throw new CliError(
      `${error.message}\nThat is a directory of this machine; name one of the service's with --workspace.`,
      error.exitCode,
      { cause: error },
    );
  }
}

/** Undefined: what there is to do (tickets, the default prompt). `-` is stdin, for both options. */
async function readPrompt(
  cli: Cli,
  { prompt, promptFile }: RunOptions,
): Promise<string | undefined> {
  if (prompt === '-' || promptFile === '-') return cli.input.read();
  if (promptFile === undefined) return prompt;
  try {
    return readFileSync(resolve(cli.currentDirectory, promptFile), 'utf8');
  } catch (error) {
    const why = systemErrorCode(error);
    if (why === undefined) throw error;
    throw new CliError(`--prompt-file ${promptFile} cannot be read (${why}).`, EXIT.usage);
  }
}
