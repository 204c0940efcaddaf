import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunRecord } from '../../src/runs/record.ts';
import { newRepository, person, place, write, type Place } from './git-repo.ts';
import { startLooper, type Looper } from './looper.ts';
import {
  startMockModel,
  writeCodexHome,
  type MockModel,
  type ModelRequest,
  type ModelScript,
} from './mock-model.ts';
import { realCodexPath } from './real-codex.ts';

const FORMAT = '--format=%(trailers:key=Ticket,valueonly,separator=%x2C) %s';

/** All that an end-to-end test needs before its daemon: a model, codex's home, a repository. */
export interface Stage extends AsyncDisposable {
  readonly model: MockModel;
  readonly place: Place;
  readonly codexHome: string;
  /** A repository with one commit. */
  readonly workspace: string;
  /** What a daemon's environment adds for the agent and for this workspace. */
  readonly env: Readonly<Record<string, string>>;
  /** Ticket and subject of each commit since the first one, oldest first. */
  commits(): string[];
  /** What git finds changed and not committed, Looper's own folder aside. */
  dirt(): string;
}

/** The same with the built daemon running. */
export interface Scene extends Stage {
  readonly looper: Looper;
}

export interface StageOptions {
  readonly files?: Readonly<Record<string, string>>;
  readonly sandbox?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The default sandbox where this machine can set it up; elsewhere none, and aloud. */
export function usableSandbox(): 'workspace-write' | 'danger-full-access' {
  const home = mkdtempSync(join(tmpdir(), 'looper-sandbox-'));
  try {
    const probe = spawnSync(realCodexPath, ['sandbox', '--', 'true'], {
      env: { PATH: process.env['PATH'], HOME: home, CODEX_HOME: home },
      timeout: 20_000,
      stdio: 'ignore',
    });
    if (probe.status === 0) return 'workspace-write';
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  process.stderr.write(
    'SKIPPED: codex cannot set up its sandbox here, so nothing runs inside it\n',
  );
  return 'danger-full-access';
}

export async function setStage(script: ModelScript, options: StageOptions = {}): Promise<Stage> {
  const here = place();
  const workspace = newRepository(here, options.files);
  const model = await startMockModel({ script });
  const codexHome = join(here.root, 'codex-home');
  mkdirSync(codexHome);
  return {
    model,
    place: here,
    codexHome,
    workspace,
    env: {
      ...here.env,
      ...writeCodexHome(codexHome, model.url),
      CODEX_EXEC_BINARY: realCodexPath,
      LOOPER_CODEX_SANDBOX: options.sandbox ?? 'danger-full-access',
      LOOPER_WORKSPACE: workspace,
      ...options.env,
    },
    commits: () => person(here, workspace, 'log', '--reverse', FORMAT).split('\n').slice(1),
    dirt: () => person(here, workspace, 'status', '--porcelain', '--', ':!.looper'),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

export async function startScene(script: ModelScript, options: StageOptions = {}): Promise<Scene> {
  const stage = await setStage(script, options);
  try {
    const looper = await startLooper({ home: stage.place.home, env: stage.env });
    return {
      ...stage,
      looper,
      [Symbol.asyncDispose]: async () => {
        await looper[Symbol.asyncDispose]();
        await stage[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

/** Triggers a run, which must be accepted, and waits for its end. */
export async function runToEnd(
  looper: Looper,
  body: Record<string, unknown>,
  timeoutMs?: number,
): Promise<RunRecord> {
  const answer = await looper.post('/run', { message: 'test', ...body });
  if (answer.status !== 200) throw new Error(`POST /run: ${JSON.stringify(answer.body)}`);
  return await looper.ended(String(answer.body['run_id']), timeoutMs);
}

export function ticketName(number: number): string {
  return `TICKET-${String(number).padStart(3, '0')}`;
}

/** The text of an open ticket. */
export function ticketText(number: number): string {
  return `---\nagent: codex\ndone: false\ntitle: Part ${number}\n---\nWrite part ${number}.\n`;
}

export function writeTicket(workspace: string, number: number): void {
  write(join(workspace, `.looper/tickets/${ticketName(number)}.md`), ticketText(number));
}

/** The ticket that a turn's prompt is about. */
export function ticketOf({ prompt }: Pick<ModelRequest, 'prompt'>): string {
  return /TICKET-\d+/.exec(prompt)?.[0] ?? '';
}

/** The shell command by which an agent marks a ticket done. */
export function markDone(ticket: string): string {
  return `sed -i.bak 's/^done: false/done: true/' .looper/tickets/${ticket}.md && rm .looper/tickets/${ticket}.md.bak`;
}
