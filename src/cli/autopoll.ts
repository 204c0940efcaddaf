import { SCHEMAS } from '../http/schemas.ts';
import type { Cli } from './context.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { plural } from './format.ts';
import { connect } from './source.ts';
import { describeAutopoll } from './status-screen.ts';

/** `looper autopoll [pause|resume]`: the idle timer, which only a running service has. */
export async function autopoll(
  cli: Cli,
  action: 'pause' | 'resume' | undefined,
  { json = false }: { json?: boolean },
): Promise<ExitCode> {
  const client = connect(cli);
  const answer = await (action === undefined
    ? client.get('/autopoll', SCHEMAS.Autopoll)
    : client.post(`/autopoll/${action}`, SCHEMAS.Autopoll));
  if (json) await cli.output.json({ ok: true, autopoll: answer.autopoll });
  else {
    const { failures, runs_today: today, max_runs_per_day: most } = answer.autopoll;
    const inRow = failures === 0 ? '' : `, ${plural(failures, 'failure')} in a row`;
    const lines = [
      ...describeAutopoll(answer.autopoll, Date.now()),
      `${today} of at most ${most} automatic runs in the last 24 h${inRow}`,
    ];
    await cli.output.data(`${lines.join('\n')}\n`);
  }
  return EXIT.done;
}
