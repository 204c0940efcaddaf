import type { Finding, Queue } from './queue.ts';
import { shown } from './text.ts';
import { CODEX_AGENT, USER_AGENT } from './ticket.ts';

export interface LintResult {
  /** What has to be changed before the ticket can run. */
  readonly findings: readonly Finding[];
  /** What may be meant so. */
  readonly remarks: readonly Finding[];
}

/** What a person should know about a queue. Keys that are not Looper's are no finding. */
export function lintQueue(queue: Queue): LintResult {
  const agents = queue.entries.flatMap((entry): Finding[] => {
    if (entry.kind === 'bad' || entry.ticket.done) return [];
    const { agent, fileName } = entry.ticket;
    if (agent === CODEX_AGENT || agent === USER_AGENT) return [];
    return [
      {
        fileName,
        line: null,
        message: `agent ${shown(agent)} is not run by Looper: the run will wait for a person here`,
        instead: `agent: ${CODEX_AGENT}, or agent: ${USER_AGENT} for a gate`,
      },
    ];
  });
  return { findings: queue.findings, remarks: [...agents, ...queue.remarks] };
}

/** `TICKET-004.md:3: "done" is "yes", not true or false; write: done: false …` */
export function formatFinding({ fileName, line, message, instead }: Finding): string {
  return `${fileName}${line === null ? '' : `:${line}`}: ${message}; instead: ${instead}`;
}
