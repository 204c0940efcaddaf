import { LooperError } from '../errors.ts';
import { isPlainName } from '../plain-name.ts';

export const SANDBOX_MODES = ['read-only', 'workspace-write', 'danger-full-access'] as const;
export type SandboxMode = (typeof SANDBOX_MODES)[number];

/** `exec` never asks anybody, whatever it is told; the flag says so to whoever reads the log. */
export const APPROVAL_POLICY = 'never';

export interface AgentCommandOptions {
  /** Absolute path, as `resolveBinary` gives it. */
  readonly binary: string;
  readonly sandbox: SandboxMode;
  /** Whether commands in the `workspace-write` sandbox reach the network. */
  readonly network: boolean;
  /** Absolute path. */
  readonly workspace: string;
  /** Codex truncates this file at its start and puts the agent's last message there. */
  readonly lastMessagePath: string;
  readonly model: string | null;
  readonly reasoning: string | null;
  /** The thread to go on with; null starts a new one. */
  readonly resumeThreadId: string | null;
  /** The operator's own arguments (`LOOPER_CODEX_ARGS`), never a request's. */
  readonly extraArgs: readonly string[];
  /** Absolute paths that the sandbox lets the agent write, beside the workspace. */
  readonly addDirs: readonly string[];
  readonly runId: string;
}

export interface AgentCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/**
 * The command line of one turn, for codex 0.169 (the approval flag must stand before `exec`,
 * `--sandbox`, `-C` and `--add-dir` before `resume`). The prompt comes on stdin: on the command
 * line it could be read as an option, be too long, and be seen by everybody.
 *
 * Throws `REQUEST_INVALID` when model, reasoning or thread id are not plain names.
 */
export function buildAgentCommand(options: AgentCommandOptions): AgentCommand {
  const { model, reasoning, resumeThreadId } = options;
  const settings: Record<string, boolean | string> = {
    // Otherwise a refused connection is retried for ever.
    'features.unbounded_connection_retries': false,
    // The marker by which a run's processes are found; a policy that does not inherit would drop it.
    'shell_environment_policy.set.LOOPER_RUN_ID': options.runId,
  };
  if (options.network) settings['sandbox_workspace_write.network_access'] = true;
  if (reasoning !== null) {
    settings['model_reasoning_effort'] = requirePlain('reasoning', reasoning);
  }
  return {
    file: options.binary,
    args: [
      '--ask-for-approval',
      APPROVAL_POLICY,
      'exec',
      '--json',
      '--sandbox',
      options.sandbox,
      '--skip-git-repo-check',
      '-C',
      options.workspace,
      ...options.addDirs.flatMap((directory) => ['--add-dir', directory]),
      '-o',
      options.lastMessagePath,
      ...(model === null ? [] : ['-m', requirePlain('model', model)]),
      // A later `-c` wins: the operator's come first, for what Looper needs is not up for change.
      ...options.extraArgs,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${toToml(value)}`]),
      ...(resumeThreadId === null ? [] : ['resume', requirePlain('thread id', resumeThreadId)]),
      '-',
    ],
  };
}

/** The command as one line that a shell would read back, for the header of the run log. */
export function formatCommand(command: AgentCommand): string {
  return [command.file, ...command.args].map(quoteWord).join(' ');
}

function requirePlain(what: string, value: string): string {
  if (isPlainName(value)) return value;
  const shown = JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  throw new LooperError(
    'REQUEST_INVALID',
    `${what} ${shown} is not accepted; use up to 128 letters, digits and . _ : / @ + - , ` +
      'beginning with a letter or a digit.',
  );
}

/** A JSON string is a TOML string too, but for DEL, which none of ours can hold. */
function toToml(value: boolean | string): string {
  return JSON.stringify(value);
}

const SHELL_SAFE = /^[\w@%+=:,./-]+$/;
/** What could break the line, or reorder it on a screen. */
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function quoteWord(word: string): string {
  if (SHELL_SAFE.test(word)) return word;
  if (word.search(NOT_PRINTABLE) === -1) return `'${word.replaceAll("'", String.raw`'\''`)}'`;
  const escaped = word
    .replaceAll(/[\\']/g, String.raw`\$&`)
    .replaceAll(NOT_PRINTABLE, (char) =>
      [...Buffer.from(char)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
    );
  return `$'${escaped}'`;
}
