import { fstatSync, writeFileSync } from 'node:fs';
import { buildAgentCommand, type AgentCommand } from '../codex/command.ts';
import { messageOf } from '../errors.ts';
import type { RunCgroup } from '../processes/cgroup.ts';
import { appendTurnLine } from '../runs/log-file.ts';
import type { TurnRecord } from '../runs/record.ts';
import type { AgentCommandTemplate, RunOrder, TurnPlan } from './order.ts';
import type { RunWriter } from './run-writer.ts';
import { finishTurn, spawnAgent, type Agent, type TurnExit } from './turn.ts';

export interface TurnContext {
  readonly order: RunOrder;
  readonly writer: RunWriter;
  readonly logFd: number;
  /** When the run began, and when it must be over, on the clock of `performance.now()`. */
  readonly runStart: number;
  readonly runDeadline: number | null;
  readonly stop: AbortSignal;
  readonly cgroup: RunCgroup;
  /** Called a few times a second while an agent works. */
  onLook: () => void;
}

export type StartedTurn =
  | { readonly kind: 'started'; readonly turn: TurnRecord; readonly agent: Agent }
  | { readonly kind: 'spawn_failed'; readonly turn: TurnRecord; readonly message: string };

/**
 * Starts the next turn: opens it in the log, puts it on record with its replies, spawns the agent,
 * records who that is. The prompt lies in its file already.
 */
export async function startTurn(context: TurnContext, plan: TurnPlan): Promise<StartedTurn> {
  const { order, writer, logFd } = context;
  const number = writer.record.turns.length + 1;
  if (plan.ticket !== null) appendTurnLine(logFd, number, plan.ticket);
  const turn: TurnRecord = {
    ticket: plan.ticket,
    thread_id: plan.resumeThreadId,
    exit_code: null,
    signal: null,
    outcome: null,
    usage: null,
    log_start: fstatSync(logFd).size,
    log_end: null,
    started_at: new Date().toISOString(),
    finished_at: null,
    final_message: null,
    replies: plan.replies,
  };
  writer.record.turns.push(turn);
  writer.saveOrThrow();
  try {
    // Codex only truncates what exists, so the file keeps this mode.
    writeFileSync(writer.files.lastMessage(number), '', { mode: 0o600 });
    const command = turnCommand(order.command, plan, writer.files.lastMessage(number));
    await context.cgroup.enter();
    const agent = await spawnAgent(command, {
      promptPath: writer.files.prompt(number),
      logPath: writer.files.log,
      environment:
        plan.ticket === null
          ? order.environment
          : { ...order.environment, LOOPER_TICKET: plan.ticket },
      workspace: order.record.workspace,
    });
    writer.record.agent = agent.identity;
    writer.save();
    writer.event('turn_started', { turn: number, ticket: plan.ticket });
    return { kind: 'started', turn, agent };
  } catch (error) {
    turn.outcome = 'spawn_failed';
    turn.log_end = turn.log_start;
    turn.finished_at = new Date().toISOString();
    return { kind: 'spawn_failed', turn, message: messageOf(error) };
  } finally {
    // Nobody waits for the kernel here; git and whatever else is ours stays outside.
    void context.cgroup.leave();
  }
}

/** Waits for the end of a started turn and records what the process itself tells. */
export async function endTurn(
  context: TurnContext,
  { turn, agent }: Extract<StartedTurn, { kind: 'started' }>,
): Promise<TurnExit> {
  const { order, writer, logFd } = context;
  const exit = await finishTurn(agent, {
    runId: order.record.run_id,
    logFd,
    limits: order.limits,
    runDeadline: context.runDeadline,
    stop: context.stop,
    onLook: () => context.onLook(),
  });
  turn.exit_code = exit.exitCode;
  turn.signal = exit.signal;
  turn.log_end = fstatSync(logFd).size;
  turn.finished_at = new Date().toISOString();
  writer.record.agent = null;
  writer.save();
  return exit;
}

/** The agent command of one turn, from what all turns of a run share. */
export function turnCommand(
  template: AgentCommandTemplate,
  plan: Pick<TurnPlan, 'model' | 'reasoning' | 'resumeThreadId'>,
  lastMessagePath: string,
): AgentCommand {
  return buildAgentCommand({
    ...template,
    model: plan.model ?? template.model,
    reasoning: plan.reasoning ?? template.reasoning,
    resumeThreadId: plan.resumeThreadId,
    lastMessagePath,
  });
}
