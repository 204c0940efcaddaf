#!/usr/bin/env node
/**
 * The agent of `looper demo`, an entry of its own. It takes codex's command line and prints codex's
 * events (`codex exec --json`), so that all of Looper is real around it; what it does is written
 * in `story.ts`. No model is asked.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PARTS, type Step } from './story.ts';

/** So that a person can follow. */
const PAUSE_MS = 120;
const COMMAND_MS = 10_000;

const argv = process.argv.slice(2);
const workspace = valueOf('-C') ?? process.cwd();
const lastMessagePath = valueOf('-o');
const resumed = valueOf('resume');
const ticket = process.env['LOOPER_TICKET'] ?? '';
let items = 0;

// Codex reads its prompt to the end, and so does whoever stands in for it.
readFileSync(0);
emit({ type: 'thread.started', thread_id: resumed ?? randomUUID() });
emit({ type: 'turn.started' });
for (const step of partOf(ticket)) {
  play(step);
  await delay(PAUSE_MS);
}
// Without figures: nothing was used.
emit({ type: 'turn.completed' });

function partOf(path: string): readonly Step[] {
  const turns = PARTS[basename(path)];
  const part = turns?.[resumed === undefined ? 0 : 1];
  if (part !== undefined) return part;
  throw new Error(`The scripted agent knows the tickets of "looper demo" only, not "${path}".`);
}

function play(step: Step): void {
  switch (step.do) {
    case 'say':
      item('agent_message', { text: step.text });
      if (lastMessagePath !== undefined) writeFileSync(lastMessagePath, step.text);
      return;
    case 'write': {
      const path = join(workspace, step.path);
      const changes = [{ path, kind: existsSync(path) ? 'update' : 'add' }];
      writeFileSync(path, step.text);
      item('file_change', { changes, status: 'completed' });
      return;
    }
    case 'run': {
      const { stdout, status } = spawnSync(`${step.command} 2>&1`, {
        cwd: workspace,
        shell: true,
        encoding: 'utf8',
        timeout: COMMAND_MS,
      });
      item('command_execution', {
        command: step.command,
        aggregated_output: stdout,
        exit_code: status,
        status: status === 0 ? 'completed' : 'failed',
      });
      return;
    }
    case 'finish': {
      const path = join(workspace, ticket);
      writeFileSync(path, readFileSync(path, 'utf8').replace(/^done: false$/m, 'done: true'));
    }
  }
}

function item(type: string, fields: Readonly<Record<string, unknown>>): void {
  emit({ type: 'item.completed', item: { id: `item_${items++}`, type, ...fields } });
}

/** stdout is a file, the run's log: what is written is there. */
function emit(event: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function valueOf(name: string): string | undefined {
  const at = argv.indexOf(name);
  return at === -1 ? undefined : argv[at + 1];
}
