/** What the real codex's commands start and hide, in both sandbox modes: nothing outlives its run. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ALL_WAYS,
  LOST_AFTER_SHELL,
  LOST_AT_ONCE,
  OWN_SESSION,
  ownCgroup,
  planEscapes,
  type Escapes,
} from '../support/escapes.ts';
import { canFindProcesses } from '../support/find-processes.ts';
import { hasRealCodex } from '../support/real-codex.ts';
import { startScene, usableSandbox, type Scene } from '../support/scene.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { waitFor } from '../support/wait-for.ts';

const isInstalled = hasRealCodex();
const sandbox = isInstalled ? usableSandbox() : 'danger-full-access';
const cgroup = ownCgroup();
if (cgroup === null) {
  process.stderr.write('no cgroup v2 that can be written here: what only one holds may survive\n');
}
/** What only a cgroup or a PID namespace holds; codex's own sandbox is such a namespace. */
const lost = (mode: string, ways: typeof ALL_WAYS) =>
  mode === 'workspace-write' || cgroup !== null ? [] : ways;

/** The model has the escapes made; then the turn goes on until `mayEnd`. */
async function startEscaping(mode: string, escapes: Escapes, mayEnd?: Promise<void>) {
  const scene = await startScene(
    async ({ prompt, toolOutputs }) => {
      if (prompt !== 'escape') return { say: 'short' };
      if (mayEnd === undefined) return { exec: escapes.lastingCommand };
      if (toolOutputs.length === 0) return { exec: escapes.command };
      await mayEnd;
      return { say: 'done' };
    },
    { sandbox: mode },
  );
  const { body } = await scene.looper.post('/run', { message: 'go', prompt: 'escape' });
  const runId = String(body['run_id']);
  // A sandbox is made for each command, and takes all that it holds with it when that ends.
  // Without one, codex ends the group of a command that is over, and the sessions stay.
  const afterCommand = mode === 'workspace-write' ? [] : OWN_SESSION;
  const out = mayEnd === undefined ? ALL_WAYS : afterCommand;
  const isOut = (): boolean => {
    const living = escapes.living();
    const isNext = mayEnd === undefined || scene.model.requests.length === 2;
    return isNext && out.every((way) => living.includes(way));
  };
  await waitFor('all to be out', isOut, 20_000);
  return { scene, runId };
}

function bystander(): number {
  const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: {} });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child.pid ?? 0;
}

function expectNothingLeft(scene: Scene, runId: string, innocent: number): void {
  expect(looksAlive(innocent)).toBe(true);
  expect(looksAlive(scene.looper.pid)).toBe(true);
  expect(cgroup !== null && existsSync(join(cgroup, `looper-${runId}`))).toBe(false);
}

describe.skipIf(!isInstalled || !canFindProcesses)('escapes from the real codex', () => {
  describe.each(['workspace-write', 'danger-full-access'])('%s', (mode) => {
    const isUsable = mode === 'danger-full-access' || mode === sandbox;

    test.skipIf(!isUsable)('a stop ends them (row 21)', async () => {
      const escapes = planEscapes();
      const innocent = bystander();
      const { scene, runId } = await startEscaping(mode, escapes);
      await using _ = scene;
      const { body } = await scene.looper.post(`/runs/${runId}/stop`);
      expect(escapes.living()).toEqual(lost(mode, LOST_AT_ONCE));
      expect(body['run']).toMatchObject({ outcome: 'stopped' });
      expectNothingLeft(scene, runId, innocent);
    });

    test.skipIf(!isUsable)('the run that replaces theirs ends them (row 21)', async () => {
      const escapes = planEscapes();
      const innocent = bystander();
      const { scene, runId } = await startEscaping(mode, escapes);
      await using _ = scene;
      const { body } = await scene.looper.post('/run', { message: 'next', prompt: 'other' });
      expect(escapes.living()).toEqual(lost(mode, LOST_AT_ONCE));
      expect(body).toMatchObject({ replaced_run_id: runId });
      await scene.looper.ended(String(body['run_id']));
      expectNothingLeft(scene, runId, innocent);
    });

    test.skipIf(!isUsable)('the end of their turn ends them (row 21)', async () => {
      const escapes = planEscapes();
      const innocent = bystander();
      let end: () => void = () => undefined;
      const mayEnd = new Promise<void>((resolve) => (end = resolve));
      const { scene, runId } = await startEscaping(mode, escapes, mayEnd);
      await using _ = scene;
      end();
      expect(await scene.looper.ended(runId)).toMatchObject({ outcome: 'succeeded' });
      // Codex itself ends some of those that nobody else could.
      expect(lost(mode, LOST_AFTER_SHELL)).toEqual(expect.arrayContaining(escapes.living()));
      expectNothingLeft(scene, runId, innocent);
    });
  });
});
