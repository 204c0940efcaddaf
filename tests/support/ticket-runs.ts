import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { RunRecord } from '../../src/runs/record.ts';
import { readEnd } from '../../src/runs/end-file.ts';
import { readEvents, type RunEvent } from '../../src/runs/events-file.ts';
import { readCalls, writeScenario, type FakeCall, type TurnScenario } from './fake-codex.ts';
import { newRepository, person, place, write, type Place } from './git-repo.ts';
import { startLooper, type Looper } from './looper.ts';
import { waitFor } from './wait-for.ts';

/** One daemon for all tests of a file, each of which has a workspace of its own. */
export function sharedLooper(env: Record<string, string> = {}): () => Looper {
  let looper: Looper | null = null;
  let home = '';
  beforeAll(async () => {
    home = realpathSync(mkdtempSync(join(tmpdir(), 'looper-loop-')));
    looper = await startLooper({ home, env });
  });
  afterAll(async () => {
    await looper?.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  });
  return () => {
    if (looper === null) throw new Error('the daemon is started before all tests');
    return looper;
  };
}

export interface Workspace {
  readonly place: Place;
  readonly path: string;
  /** Subjects of the commits since the first one, oldest first. */
  commits(): string[];
  /** Paths of a commit, by its place in `commits()`. */
  filesOf(commit: number): string[];
  status(): string;
  read(path: string): string;
  write(path: string, text: string): void;
  /** What the agent was called with, oldest first. */
  calls(): FakeCall[];
}

export interface WorkspaceOptions {
  /** File name (without `.md`) to text; a string without `---` becomes a ticket of that title. */
  readonly tickets: Readonly<Record<string, string>>;
  readonly turns: readonly TurnScenario[];
  readonly git?: boolean;
  readonly folder?: string;
  /** Committed before the run. */
  readonly files?: Readonly<Record<string, string>>;
  readonly trackTickets?: boolean;
}

/** A workspace with tickets and an agent that plays `turns`, the last one again and again. */
export function workspace(options: WorkspaceOptions): Workspace {
  const { git = true, folder = '.looper/tickets', trackTickets = false, files = {} } = options;
  const here = place();
  const tickets = Object.fromEntries(
    Object.entries(options.tickets).map(([name, text]) => [
      `${folder}/${name}.md`,
      text.includes('---') ? text : ticketText({ title: text }),
    ]),
  );
  const start = { 'a.txt': 'a\n', ...files, ...(trackTickets ? tickets : {}) };
  const path = git ? newRepository(here, start) : join(here.root, 'work');
  for (const [name, text] of Object.entries({ ...start, ...tickets }))
    write(join(path, name), text);
  const scenario = writeScenario(path, { turns: [...options.turns] });
  const git_ = (...args: string[]): string => person(here, path, ...args);
  const hashes = (): string[] => lines(git_('log', '--reverse', '--format=%H')).slice(1);
  return {
    place: here,
    path,
    commits: () => lines(git_('log', '--reverse', '--format=%s')).slice(1),
    filesOf: (commit) =>
      lines(git_('show', '--format=', '--name-only', hashes()[commit] ?? '')).sort(),
    status: () => git_('status', '--porcelain'),
    read: (name) => readFileSync(join(path, name), 'utf8'),
    write: (name, text) => write(join(path, name), text),
    calls: () => (existsSync(`${scenario}.state`) ? readCalls(scenario) : []),
  };
}

export function ticketText(keys: Readonly<Record<string, unknown>>, body = 'Do it.'): string {
  const all = { agent: 'codex', done: false, ...keys };
  const head = Object.entries(all).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  return `---\n${head.join('\n')}\n---\n\n${body}\n`;
}

/** Writes a file and marks its ticket done. */
export function finishing(file: string, more: Partial<TurnScenario> = {}): TurnScenario {
  return { steps: [{ do: 'write', path: file, text: `${file}\n` }, { do: 'ticket' }], ...more };
}

export async function trigger(
  looper: Looper,
  { path }: Workspace,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const answer = await looper.post('/run', { zulip_message: 'go', workspace: path, ...more });
  const runId = answer.body['run_id'];
  if (typeof runId !== 'string') throw new Error(`no run: ${JSON.stringify(answer.body)}`);
  return runId;
}

/** Waits for the end by looking at its file: asking the daemon all the time would slow it down. */
export async function ended(looper: Looper, runId: string): Promise<RunRecord> {
  const { log_path } = await looper.record(runId);
  const path = log_path.replace(/\.log$/, '.end');
  await waitFor(`run ${runId} to end`, () => readEnd(path), 20_000, 10);
  return looper.record(runId);
}

/** Triggers and waits for the end. */
export async function run(
  looper: Looper,
  work: Workspace,
  more: Readonly<Record<string, unknown>> = {},
): Promise<RunRecord> {
  return ended(looper, await trigger(looper, work, more));
}

/** Answers a run's question and waits for the end of the run which that starts. */
export async function reply(looper: Looper, runId: string, text: string): Promise<RunRecord> {
  const answer = await looper.post(`/runs/${runId}/reply`, { text });
  const next = answer.body['run_id'];
  if (typeof next !== 'string') throw new Error(`no run: ${JSON.stringify(answer.body)}`);
  return ended(looper, next);
}

export function eventsOf(record: RunRecord, type?: RunEvent['type']): RunEvent[] {
  const events = readEvents(record.log_path.replace(/\.log$/, '.events.jsonl'));
  return type === undefined ? events : events.filter((event) => event.type === type);
}

/** The final event comes after the end that the daemon answers with, by a moment. */
export function endEvent(record: RunRecord): Promise<RunEvent> {
  return waitFor('the final event', () => eventsOf(record, 'end')[0]);
}

/** The words behind `resume` in a call; null for a fresh thread. */
export function resumed({ argv }: FakeCall): string | null {
  const at = argv.indexOf('resume');
  return at < 0 ? null : (argv[at + 1] ?? null);
}

export function setScenario(work: Workspace, turns: readonly TurnScenario[]): void {
  writeFileSync(join(work.path, '.fake-codex.json'), JSON.stringify({ turns }));
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
