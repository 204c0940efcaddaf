import type { z } from 'zod';
import { SCHEMAS } from '../http/schemas.ts';
import { createRunLogReader } from '../render/run-log.ts';
import type { RunRecord } from '../runs/record.ts';
import { Refused } from './client-errors.ts';
import type { Cli } from './context.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { createPaint } from './format.ts';
import { splitLogLines } from './log-lines.ts';
import { listAsking } from './open-question.ts';
import { openSource, tellOfFiles, type Source } from './source.ts';
import { renderStatus } from './status-screen.ts';

/** How far back a queued trigger, the last end and an open question are looked for. */
const RECENT_RUNS = 50;
const TAIL_BYTES = 64 * 1024;

export type Autopoll = z.output<typeof SCHEMAS.Autopoll>['autopoll'];
export type Tickets = z.output<typeof SCHEMAS.Tickets>;

/** What `looper status --json` prints. */
export interface Status {
  readonly ok: true;
  /** `files`: no service answers. */
  readonly source: 'service' | 'files';
  readonly active: RunRecord | null;
  /** Of the active run. `at`: null where the service does not say. */
  readonly last_output: { readonly text: string | null; readonly at: string | null } | null;
  readonly queued: RunRecord | null;
  /** The newest run that has ended. */
  readonly last: RunRecord | null;
  /** The newest run that ended with a question which nobody has answered. */
  readonly asking: RunRecord | null;
  /** Of the active run's workspace, else LOOPER_WORKSPACE, else the last run's; null: unknown. */
  readonly tickets: Tickets | null;
  /** Null without a service: nobody looks then. */
  readonly autopoll: Autopoll | null;
}

/** `looper status`: one screen that says what happens, what waits and what comes next. */
export async function status(cli: Cli, { json = false }: { json?: boolean }): Promise<ExitCode> {
  const source = await openSource(cli);
  const found = await readStatus(cli, source);
  if (json) await cli.output.json(found);
  else {
    if (source.kind === 'files') await tellOfFiles(cli);
    const lines = renderStatus(found, {
      paint: createPaint(cli.output.colours),
      now: Date.now(),
      columns: cli.output.isTerminal ? cli.output.columns() : Infinity,
    });
    await cli.output.data(`${lines.join('\n')}\n`);
  }
  return EXIT.done;
}

async function readStatus(cli: Cli, source: Source): Promise<Status> {
  const { runs } = source;
  const [active, recent] = await Promise.all([runs.find('current'), runs.list(RECENT_RUNS)]);
  const last = recent.find((run) => run.status === 'finished') ?? null;
  const workspace =
    active?.workspace ?? cli.config().workspace.directory ?? last?.workspace ?? null;
  const [lastOutput, tickets, autopoll] = await Promise.all([
    active === null ? null : readLastOutput(source, active),
    workspace === null ? null : readTickets(cli, source, workspace, { active, recent }),
    source.kind === 'files' ? null : source.client.get('/autopoll', SCHEMAS.Autopoll),
  ]);
  return {
    ok: true,
    source: source.kind,
    active,
    last_output: lastOutput,
    queued: recent.find((run) => run.status === 'queued') ?? null,
    last,
    asking: listAsking(recent)[0] ?? null,
    tickets,
    autopoll: autopoll?.autopoll ?? null,
  };
}

/** The last thing that its agent did or said, on one line. */
async function readLastOutput({ runs }: Source, active: RunRecord): Promise<Status['last_output']> {
  const { bytes, writtenAt } = await runs.openLog(active, { last: TAIL_BYTES });
  const reader = createRunLogReader();
  let text: string | null = null;
  // The first line may be the rest of one; offsets are of no interest here, but not that of a header.
  for await (const line of splitLogLines(bytes, 1)) {
    for (const item of reader.push(line)) {
      if (item.kind === 'message' || item.kind === 'text') text = item.text;
      if (item.kind === 'command') text = `$ ${item.command}`;
      if (item.kind === 'error') text = item.message;
      if (item.kind === 'file_change') text = item.changes.map(({ path }) => path).join(', ');
    }
  }
  return { text, at: writtenAt?.toISOString() ?? null };
}

async function readTickets(
  cli: Cli,
  source: Source,
  workspace: string,
  about: { readonly active: RunRecord | null; readonly recent: readonly RunRecord[] },
): Promise<Tickets | null> {
  if (source.kind === 'files') {
    // Reading tickets takes a YAML parser, which a service spares us.
    const { listLocalTickets } = await import('./local-tickets.ts');
    const asking = listAsking(about.recent).find((run) => run.workspace === workspace);
    return listLocalTickets(workspace, cli.config().tickets.directory, {
      active: about.active,
      questionAbout: asking?.question?.ticket ?? null,
    }).catch(() => null);
  }
  try {
    const query = `workspace=${encodeURIComponent(workspace)}`;
    return await source.client.get(`/tickets?${query}`, SCHEMAS.Tickets);
  } catch (error) {
    // A workspace that is gone, or closed to triggers, has no queue; the rest is worth a screen.
    if (error instanceof Refused && error.status !== 401) return null;
    throw error;
  }
}
