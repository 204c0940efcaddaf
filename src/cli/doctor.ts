import { SCHEMAS } from '../http/schemas.ts';
import { countLevels, type Finding, type Level } from '../doctor/finding.ts';
import { examine } from '../doctor/examine.ts';
import type { Health } from '../doctor/service.ts';
import { messageOf } from '../errors.ts';
import { inertLine } from '../render/inert.ts';
import { createClient, type Client } from './client.ts';
import { Unreachable } from './client-errors.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import type { Cli } from './context.ts';
import { readStoredRuns } from './file-source.ts';
import { createPaint, plural, type Paint } from './format.ts';
import type { Autopoll } from './status.ts';

/** `looper doctor`: everything at once, one line each; 1 when something is an error. */
export async function doctor(cli: Cli, { json = false }: { json?: boolean }): Promise<ExitCode> {
  const { config, problems } = cli.inspectConfig();
  // There is a folder to remove, and there may be an agent to end.
  const signal = cli.interrupted(['SIGTERM', 'SIGHUP']);
  const { baseUrl: url, token } = config.client;
  const client = createClient({ url, token, version: cli.version, signal });
  const health = await askHealth(client);
  const findings = await examine({
    config,
    problems,
    environment: cli.environment,
    homeDirectory: cli.homeDirectory,
    looperDirectory: cli.looperDirectory,
    version: cli.version,
    health,
    autopoll: health.kind === 'answers' ? await askAutopoll(client) : null,
    isLocal: client.isLocal,
    runs: readStoredRuns(config.logs.directory),
    signal,
  });
  if (signal.aborted) throw new CliError('', EXIT.interrupted);
  const isFine = countLevels(findings).error === 0;
  if (json) await cli.output.json({ ok: isFine, findings });
  else {
    const lines = renderFindings(findings, createPaint(cli.output.colours));
    await cli.output.data(`${lines.join('\n')}\n`);
  }
  return isFine ? EXIT.done : EXIT.failed;
}

async function askHealth(client: Client): Promise<Health> {
  // It has the shorter deadline: a service that is there answers at once.
  if ((await client.absence()) !== null) return { kind: 'absent' };
  try {
    const { version } = await client.get('/health', SCHEMAS.Health);
    return { kind: 'answers', version };
  } catch (error) {
    if (error instanceof Unreachable) return { kind: 'absent' };
    return { kind: 'strange', why: refusalOf(error) };
  }
}

async function askAutopoll(client: Client): Promise<Autopoll | string | null> {
  try {
    return (await client.get('/autopoll', SCHEMAS.Autopoll)).autopoll;
  } catch (error) {
    return error instanceof Unreachable ? null : refusalOf(error);
  }
}

/** What a service said instead of an answer; Ctrl-C and our own mistakes rise. */
function refusalOf(error: unknown): string {
  if (error instanceof CliError && error.exitCode !== EXIT.interrupted) return messageOf(error);
  throw error;
}

const AREAS: Readonly<Record<string, string>> = {
  machine: 'Machine',
  agent: 'Agent',
  workspace: 'Workspace',
  logs: 'Log directory',
  settings: 'Settings',
  service: 'Service',
  announcements: 'Announcements',
  autopoll: 'Idle start',
  processes: 'Processes',
};

const SIGNS = {
  ok: { sign: '✓', word: 'ok', style: 'green' },
  info: { sign: '·', word: 'info', style: 'cyan' },
  warning: { sign: '!', word: 'warning', style: 'yellow' },
  error: { sign: '✗', word: 'error', style: 'red' },
} as const satisfies Record<Level, object>;

/** By area, in the order in which one would mend them; then how many there are of each. */
export function renderFindings(findings: readonly Finding[], paint: Paint): string[] {
  const lines = Object.entries(AREAS).flatMap(([area, title]) => {
    const own = findings.filter(({ id }) => id.startsWith(`${area}.`));
    return own.length === 0 ? [] : [paint(title, 'bold'), ...own.flatMap(render), ''];
  });
  const { ok, warning, error } = countLevels(findings);
  const summary = `${ok} ok, ${plural(warning, 'warning')}, ${plural(error, 'error')}`;
  return [...lines, summary];

  function render({ level, what, todo }: Finding): string[] {
    const { sign, word, style } = SIGNS[level];
    const mark = `${paint(sign, style)} ${paint(word.padEnd('warning'.length), style)}`;
    // A sentence may quote what an agent or a service wrote.
    const said = `  ${mark}  ${inertLine(what)}`;
    return todo === undefined
      ? [said]
      : [said, `             ${paint(`→ ${inertLine(todo)}`, 'dim')}`];
  }
}
