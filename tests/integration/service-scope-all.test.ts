/**
 * Scope `all` stops agents that Looper did not start, so it is tested where there are no others: in
 * a PID namespace of its own, whose first process starts decoys, a stale agent and the daemon.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { linkFakeCodex } from '../support/fake-codex.ts';
import { pidsWorkingIn } from '../support/scripted-agent.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const namespaces = ['unshare', '-Urpf', '--mount-proc', '--kill-child'];
const canUnshare = spawnSync('unshare', [...namespaces.slice(1), 'true']).status === 0;
if (!canUnshare) {
  process.stderr.write('skipped: scope all needs unshare, which is not allowed here\n');
}

/** By name: what a process of that kind shows as its arguments. None is a `codex exec`. */
const DECOYS: Readonly<Record<string, string>> = {
  shell: `bash -c 'sleep 60; : codex exec'`,
  'shell-with-our-command': `bash -c 'sleep 60; : codex --ask-for-approval never exec'`,
  editor: `exec -a vim bash 'codex exec.md'`,
  grep: `exec -a grep bash 'codex exec'`,
  interactive: `exec -a codex bash`,
  'interactive-with-a-prompt': `exec -a codex bash 'exec the plan'`,
  resumed: `exec -a codex bash resume exec`,
  'other-program': `exec -a codex-exec bash exec`,
  'other-subcommand': `exec -a codex bash mcp-server exec`,
};

test.runIf(canUnshare)(
  'decoys of every kind survive ten runs, stale agents do not (row 27)',
  async () => {
    const decoys = Object.keys(DECOYS);
    const service = await startService({
      scenario: { steps: [{ do: 'hang' }] },
      env: (home) => {
        const agents = join(home, 'agents');
        for (const name of [...decoys, 'stale', 'ancestor']) {
          const directory = join(agents, name);
          mkdirSync(directory, { recursive: true });
          // Whatever bash takes for its script's name; without one it reads this from its stdin.
          for (const script of ['exec', 'resume', 'mcp-server', 'exec the plan', 'codex exec']) {
            writeFileSync(join(directory, script), 'eval "$CODE"; :');
          }
          writeFileSync(join(directory, 'codex exec.md'), 'eval "$CODE"; :');
        }
        const starts = decoys.map(
          (name) => `(cd ${join(agents, name)} && CODE='sleep 60' && export CODE && exec 0<exec &&
          ${DECOYS[name]}) &`,
        );
        // The daemon itself is started by a `codex exec`.
        const script = `${starts.join('\n')}
        (cd ${join(agents, 'stale')} && CODE='sleep 60' exec -a codex bash exec) &
        cd ${join(agents, 'ancestor')} || exit 1
        CODE='"$DAEMON" "$CLI" serve' DAEMON=$1 CLI=$2 bash -c 'exec -a codex bash exec'`;
        writeFileSync(join(home, 'start.sh'), script);
        const binary = linkFakeCodex(join(home, 'bin'));
        return { LOOPER_KILL_SCOPE: 'all', CODEX_EXEC_BINARY: binary };
      },
      within: [...namespaces, 'bash', 'start.sh'],
    });
    const { home } = service;
    /** Each is a shell and its sleep. */
    const pidsOf = (name: string): number[] => pidsWorkingIn(join(home, 'agents', name));
    for (const name of [...decoys, 'stale']) {
      await waitFor(`${name} to start`, () => pidsOf(name).length === 2);
    }
    const before = decoys.map(pidsOf);

    const first = await service.run();
    expect(first.body['killed_codex_exec_pids']).toHaveLength(1);
    expect(pidsOf('stale')).toEqual([]);
    for (let round = 2; round <= 11; round += 1) {
      const { body } = await service.run();
      expect(body['killed_codex_exec_pids']).toHaveLength(1);
    }
    expect(decoys.map(pidsOf)).toEqual(before);
    // Nothing piles up from launch to launch.
    expect(service.looper.output()).not.toContain('Warning');
    // It would have taken the daemon with it.
    expect(pidsOf('ancestor')).not.toEqual([]);
  },
);
