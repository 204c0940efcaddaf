import { APPROVAL_POLICY } from '../codex/command.ts';
import type { RunAnswer } from '../run/request.ts';

/** The body of a 200: every field that callers of the original Looper read, and ours beside them. */
export function toRunAnswer(answer: RunAnswer, sandbox: string): Record<string, unknown> {
  const { agent } = answer;
  const result = agent && {
    pid: agent.pid,
    command: agent.command,
    log_path: agent.logPath,
    startup_return_code: agent.startupReturnCode,
  };
  return {
    ok: true,
    run_id: answer.runId,
    mode: answer.mode,
    workspace: answer.workspace,
    notified: answer.notified,
    zulip_output: answer.announcement,
    killed_codex_exec_pids: answer.killedPids,
    remaining_codex_exec_pids: answer.remainingPids,
    replaced_run_id: answer.replacedRunId,
    codex_exec_binary: answer.binary?.path ?? null,
    codex_exec_binary_source: answer.binary?.source ?? null,
    codex_exec_started: agent !== null,
    codex_exec_result: result,
    codex_exec_approval_policy: APPROVAL_POLICY,
    codex_exec_sandbox: sandbox,
    warnings: answer.warnings,
    // The names that older callers read.
    killed_vscode_pids: answer.killedPids,
    remaining_vscode_pids: answer.remainingPids,
    codex_prompt_sent: agent !== null,
    codex_send_result: result,
  };
}
