import type { SandboxMode } from '../codex/command.ts';
import { ask, firstWords, type Answer, type AskOptions } from './ask.ts';
import { failure, info, ok, warning, type Finding } from './finding.ts';

const ID = 'agent.sandbox';
const PROBE_MS = 15_000;
const MEND =
  'Allow user namespaces on this machine (in containers they are often off), or set LOOPER_CODEX_SANDBOX=danger-full-access where nothing is to be protected';

/** What stands without a probe; null: the sandbox has to work. */
export function judgeMode(mode: SandboxMode): Finding | null {
  if (mode !== 'danger-full-access') return null;
  return info(
    ID,
    'danger-full-access: the agent may do whatever this user may',
    'LOOPER_CODEX_SANDBOX=workspace-write confines it',
  );
}

/**
 * Lets codex run `true` in its sandbox. It finds out what a run would find out in the middle: with a
 * sandbox that cannot be set up every command fails, and codex still ends with 0. `options`: an
 * empty `CODEX_HOME` and directory, for the machine is in question, not the person's settings.
 */
export async function probeSandbox(
  binary: string,
  mode: SandboxMode,
  options: Omit<AskOptions, 'deadlineMs'>,
): Promise<readonly Finding[]> {
  const within = { ...options, deadlineMs: PROBE_MS };
  const answer = await ask([binary, 'sandbox', '--', 'true'], within);
  // Older and other agents may have no such command; the kernel can still be asked.
  const isUnknown = answer.kind === 'ended' && answer.code === 2;
  const finding = isUnknown
    ? judgeNamespaces(await ask(['unshare', '--user', '--map-root-user', 'true'], within))
    : judgeProbe(answer);
  return [finding, ...judgeReadOnly(mode)];
}

export function judgeProbe(answer: Answer): Finding {
  if (answer.kind === 'late') {
    return warning(
      ID,
      `the sandbox was not ready within ${PROBE_MS / 1000} s`,
      'Try `codex sandbox -- true`',
    );
  }
  if (answer.kind === 'absent') {
    return failure(ID, `the sandbox cannot be tried: ${answer.why}`, 'Mend the agent first');
  }
  if (answer.code === 0) return ok(ID, 'codex ran a command in its sandbox');
  const what = `codex cannot set up its sandbox: ${firstWords(answer.stderr)}`;
  return failure(ID, what, MEND);
}

function judgeNamespaces(answer: Answer): Finding {
  const unknown = 'this agent has no `sandbox` command to try it with';
  if (answer.kind === 'ended' && answer.code === 0) {
    return info(ID, `${unknown}; user namespaces, which it needs, are there`);
  }
  const why = answer.kind === 'ended' ? firstWords(answer.stderr) : 'unshare cannot be asked';
  return warning(ID, `${unknown}; user namespaces seem to be off (${why})`, MEND);
}

function judgeReadOnly(mode: SandboxMode): Finding[] {
  if (mode !== 'read-only') return [];
  const what = 'LOOPER_CODEX_SANDBOX=read-only: no agent can change a file, nor mark a ticket done';
  return [
    warning('agent.sandbox_mode', what, 'Set it to workspace-write if it shall work on tickets'),
  ];
}
