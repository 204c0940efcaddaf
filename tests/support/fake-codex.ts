import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The scripted agent; what its scenarios mean is written at its top. */
export const fakeCodexPath = fileURLToPath(new URL('../fixtures/fake-codex.mjs', import.meta.url));

export type Step =
  | { do: 'out' | 'err'; text: string }
  | { do: 'event'; event: Record<string, unknown> }
  | { do: 'torn'; event: Record<string, unknown>; text: string; first?: 'event' | 'text' }
  | { do: 'lines'; count: number; everyMs?: number; plain?: boolean }
  | { do: 'sleep'; ms: number }
  | { do: 'hang' | 'stubborn' | 'sandbox' }
  | { do: 'wait' | 'delete' | 'dump'; path: string }
  | { do: 'write'; path: string; text?: string; append?: boolean }
  | { do: 'ticket'; path?: string }
  | {
      do: 'outbox';
      mode?: string;
      title?: string;
      text?: string;
      files?: Record<string, string>;
    }
  | {
      do: 'spawn';
      kind?: 'plain' | 'tool' | 'setsid' | 'double' | 'daemon' | 'bare';
      seconds?: number;
      hold?: boolean;
      stubborn?: boolean;
    }
  | { do: 'shell'; command: string }
  | { do: 'error' | 'fail'; message: string }
  | { do: 'say'; text: string }
  | { do: 'command'; command: string; output?: string; exitCode?: number }
  | { do: 'change'; path: string; kind?: 'add' | 'update' | 'delete' }
  | { do: 'flood'; megabytes: number; newlines?: boolean }
  | { do: 'exit'; code: number }
  | { do: 'kill'; signal: NodeJS.Signals };

export interface TurnScenario {
  threadId?: string;
  session?: boolean;
  steps?: Step[];
  message?: string | null;
  usage?: Record<string, number>;
  complete?: boolean;
  exitCode?: number;
}

export type Scenario = TurnScenario | { turns: TurnScenario[] };

/** What one call of the fake agent was given. */
export interface FakeCall {
  argv: string[];
  env: Record<string, string>;
  prompt: string;
  cwd: string;
  pid: number;
}

const NAME = '.fake-codex.json';

/**
 * Writes the scenario where the fake agent looks for it, hides it and its state from git (so that
 * it is no change of the work tree), and returns its path.
 */
export function writeScenario(workspace: string, scenario: Scenario): string {
  const path = join(workspace, NAME);
  writeFileSync(path, JSON.stringify(scenario, null, 2));
  const git = join(workspace, '.git');
  if (statSync(git, { throwIfNoEntry: false })?.isDirectory() === true) {
    mkdirSync(join(git, 'info'), { recursive: true });
    appendFileSync(join(git, 'info', 'exclude'), `\n${NAME}*\n`);
  }
  return path;
}

/** Every call so far, oldest first; `scenarioPath` is what `writeScenario` returned. */
export function readCalls(scenarioPath: string): FakeCall[] {
  const calls: FakeCall[] = [];
  for (let number = 1; ; number += 1) {
    const text = readIfPresent(join(`${scenarioPath}.state`, `call-${number}.json`));
    // A call that is just being written is not there yet.
    if (text === '') return calls;
    calls.push(JSON.parse(text) as FakeCall);
  }
}

/** The pids of the children that `spawn` steps started, in order. */
export function readChildPids(scenarioPath: string): number[] {
  const text = readIfPresent(join(`${scenarioPath}.state`, 'pids'));
  return text.split('\n').filter(Boolean).map(Number);
}

/** A `codex` in `directory` that is the fake agent, for PATH and for scans by name. */
export function linkFakeCodex(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'codex');
  symlinkSync(fakeCodexPath, path);
  return path;
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
