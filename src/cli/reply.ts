import { SCHEMAS } from '../http/schemas.ts';
import { inertLine } from '../render/inert.ts';
import { isRunId } from '../runs/files.ts';
import type { RunRecord } from '../runs/record.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { listAsking } from './open-question.ts';
import { questionText } from './run-summary.ts';
import { createServiceSource } from './service-source.ts';
import { connect } from './source.ts';

const RECENT_RUNS = 50;
/** The loop starts again before the answer: announcement, clean-up, startup check. */
const START_MS = 290_000;

/**
 * `looper reply [id] [text]`: answers the question of a run and starts the loop again. One word that
 * is no run id is the text; without a text it is read from stdin.
 */
export async function reply(
  cli: Cli,
  first: string | undefined,
  second: string | undefined,
): Promise<ExitCode> {
  const isId = first !== undefined && (second !== undefined || isRunId(first));
  const client = connect(cli);
  const runId = isId ? first : await findRunId(cli);
  const given = isId ? second : first;
  const text = given === undefined || given === '-' ? await readText(cli) : given;
  if (text.trim() === '') throw new CliError('The answer is blank; nothing was sent.', EXIT.usage);

  const options = { body: { text }, deadlineMs: START_MS };
  const path = `/runs/${encodeURIComponent(runId)}/reply`;
  const answer = await client.post(path, SCHEMAS.RunAnswer, options);
  for (const warning of answer.warnings) cli.output.message(`warning: ${inertLine(warning)}`);
  await cli.output.data(`${answer.run_id ?? ''}\n`);
  cli.output.message(
    `Run ${runId} is answered; follow the new one with: looper logs -f ${answer.run_id ?? ''}`,
  );
  return EXIT.done;
}

async function findRunId(cli: Cli): Promise<string> {
  const [asking, ...others] = listAsking(await createServiceSource(connect(cli)).list(RECENT_RUNS));
  if (asking === undefined) throw new CliError('No run waits for an answer.', EXIT.failed);
  if (others.length > 0) throw severalWait([asking, ...others]);
  if (cli.input.isTerminal) showQuestion(cli, asking);
  return asking.run_id;
}

/** An answer that reaches the wrong agent does harm. */
function severalWait(runs: readonly RunRecord[]): CliError {
  const lines = runs.map(
    ({ run_id: runId, workspace, question }) =>
      `\n  ${runId}  ${inertLine(workspace)}: ${inertLine(question?.title ?? '')}`,
  );
  return new CliError(
    `Several runs wait; name the one that is meant:${lines.join('')}`,
    EXIT.usage,
  );
}

function showQuestion(cli: Cli, asking: RunRecord): void {
  cli.output.message(`Run ${asking.run_id} asks: ${inertLine(asking.reason ?? '')}`);
  for (const line of questionText(asking)) cli.output.message(line);
}

async function readText(cli: Cli): Promise<string> {
  if (cli.input.isTerminal)
    cli.output.message('Your answer (Ctrl-D ends it, Ctrl-C sends nothing):');
  return cli.input.read();
}
