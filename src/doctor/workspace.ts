import type { Config } from '../config.ts';
import { LooperError } from '../errors.ts';
import { createGit } from '../git/safe-git.ts';
import { resolveRepository } from '../git/repository.ts';
import { readStatus } from '../git/status.ts';
import { listTickets } from '../run/ticket-list.ts';
import { resolveWorkspace } from '../run/workspace.ts';
import { formatFinding } from '../tickets/lint.ts';
import { failure, info, ok, warning, type Finding } from './finding.ts';

const GIT_MS = 10_000;
const SHOWN_TICKET_FINDINGS = 5;

export interface WorkspaceSubject {
  readonly config: Config;
  readonly looperDirectory: string;
  readonly homeDirectory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A folder of this process, where no agent can write; see `resolveRepository`. */
  readonly scratch: string;
}

/** The configured workspace as a trigger would find it; null where there is none that can be used. */
export function findWorkspace(subject: WorkspaceSubject): {
  readonly workspace: string | null;
  readonly finding: Finding;
} {
  const id = 'workspace.directory';
  try {
    const workspace = resolveConfigured(subject);
    if (workspace !== null) return { workspace, finding: ok(id, workspace) };
  } catch (error) {
    if (!(error instanceof LooperError)) throw error;
    const finding = failure(id, error.message, 'Runs there are refused until that is mended');
    return { workspace: null, finding };
  }
  const what = 'none is set: a trigger has to name one, and nothing starts by itself';
  return { workspace: null, finding: info(id, what, 'Set LOOPER_WORKSPACE to a directory') };
}

function resolveConfigured({ config, looperDirectory, homeDirectory }: WorkspaceSubject) {
  return resolveWorkspace(null, config.workspace, {
    home: homeDirectory,
    protectedPlaces: {
      'the log directory': config.logs.directory,
      'Looper itself': looperDirectory,
      'the env file': config.envFile,
      'the configuration file': config.configFile,
    },
  });
}

export async function checkRepository(
  workspace: string,
  { config, environment, scratch }: WorkspaceSubject,
): Promise<Finding[]> {
  const id = 'workspace.git';
  const refusals: string[] = [];
  const warn = (sentence: string): unknown => refusals.push(sentence);
  const repository = await resolveRepository(workspace, { env: environment, scratch, warn });
  const commits = config.codex.commit !== 'off';
  if (repository === null) {
    const [refusal] = refusals;
    if (refusal !== undefined)
      return [warning(id, refusal, 'Do what it says, or set LOOPER_COMMIT=off')];
    const what = `${workspace} is not in a git repository: finished tickets are not committed`;
    if (!commits) return [info(id, what)];
    return [warning(id, what, `git -C ${workspace} init, or set LOOPER_COMMIT=off`)];
  }
  const { head, entries } = await readStatus(createGit(repository, { scratch, timeoutMs: GIT_MS }));
  const empty = head === null ? ', without a commit yet' : '';
  if (entries.length === 0) return [ok(id, `a clean work tree${empty}`)];
  const paths = entries.length === 1 ? '1 path is' : `${entries.length} paths are`;
  const what = `${paths} changed and not committed${empty}: Looper leaves them out of its commits`;
  return [info(id, what, 'Commit or stash them first if an agent shall build on them')];
}

export async function checkTickets(
  workspace: string,
  { config }: WorkspaceSubject,
): Promise<Finding[]> {
  const context = { active: null, questionAbout: null };
  const { directory } = config.tickets;
  const { tickets, lint, source, ...list } = await listTickets(workspace, directory, context);
  const open = tickets.filter(({ state }) => state !== 'done');
  const id = 'workspace.tickets';
  const wrong = [
    ...lint.findings.map((finding) =>
      warning(
        'workspace.ticket',
        formatFinding(finding),
        '`looper tickets lint --fix` mends what it can',
      ),
    ),
    ...lint.remarks.map((finding) => info('workspace.ticket', formatFinding(finding))),
  ];
  const more = wrong.length - SHOWN_TICKET_FINDINGS;
  const rest = info(
    'workspace.ticket',
    `${more} more like these`,
    '`looper tickets lint` shows all',
  );
  return [
    open.length > 0
      ? ok(
          id,
          `${open.length} open of ${tickets.length} in ${list.directory}, next ${open[0]?.file}`,
        )
      : withoutWork(config, source === 'none' ? 'there are no tickets' : 'no ticket is open'),
    ...wrong.slice(0, SHOWN_TICKET_FINDINGS),
    ...(more > 0 ? [rest] : []),
  ];
}

/** Whether a run without a prompt of its own would have something to do. Throws `TICKETS_UNREADABLE`. */
export async function hasWork(workspace: string, { prompt, tickets }: Config): Promise<boolean> {
  if (prompt.text !== undefined || prompt.file !== undefined) return true;
  const context = { active: null, questionAbout: null };
  const list = await listTickets(workspace, tickets.directory, context);
  return list.tickets.some(({ state }) => state !== 'done');
}

function withoutWork({ prompt }: Config, why: string): Finding {
  const id = 'workspace.tickets';
  if (prompt.text !== undefined) return ok(id, `${why}: LOOPER_PROMPT is the work`);
  if (prompt.file !== undefined) return ok(id, `${why}: ${prompt.file} is the work`);
  const what = `${why} and no default prompt is set: a trigger without a prompt is refused`;
  return info(id, what, '`looper tickets new` writes a ticket');
}
