import type { Config } from '../config.ts';

interface ReachedPeople {
  readonly notifiers: readonly { readonly name: string }[];
  readonly problems: readonly string[];
}

/**
 * What a person at a terminal wants to know: where it listens, what is set, what to paste. `agent`:
 * where it is, or the sentence that says why there is none; each trigger looks again.
 */
export function greet(config: Config, url: string, channels: ReachedPeople, agent: string): string {
  const { workspace, autopoll, http, logs, codex, kill } = config;
  const token = http.token === undefined ? '' : ' -H "Authorization: Bearer $LOOPER_API_TOKEN"';
  const field = workspace.directory === undefined ? ',"workspace":"/path/to/your/repository"' : '';
  return [
    `Looper listens on ${url}`,
    `  workspace      ${workspace.directory ?? 'none (a trigger names one; LOOPER_WORKSPACE)'}`,
    `  agent          ${agent}`,
    `  sandbox        ${codex.sandbox}`,
    `  stops          ${KILL_SCOPES[kill.scope]} (LOOPER_KILL_SCOPE=${kill.scope})`,
    `  announcements  ${announcements(channels)}`,
    `  idle start     ${idleStart(autopoll, workspace.directory)}`,
    `  log directory  ${logs.directory}`,
    ...(process.pid === 1 ? ['', `warning: ${NO_INIT}`] : []),
    '',
    'Start a run:',
    `  curl -X POST ${url}/run -H 'Content-Type: application/json'${token} \\`,
    `    -d '{"zulip_message":"Working on it","codex_prompt":"Say hello"${field}}'`,
  ].join('\n');
}

/** What Node, as the first process of a container, does not do: it waits for its own children only. */
export const NO_INIT =
  'this is process 1, which nobody ends zombies for: what agents leave behind stays in the process table. Start the container with an init (docker run --init)';

const KILL_SCOPES = {
  all: 'every codex exec of this user',
  workspace: 'its own agents, and every codex exec in the workspace',
  owned: 'its own agents only',
} as const;

function announcements({ notifiers, problems }: ReachedPeople): string {
  if (notifiers.length > 0) return notifiers.map(({ name }) => name).join(', ');
  return problems.length === 0 ? 'to the server log (no channel is set)' : problems.join('; ');
}

function idleStart(autopoll: Config['autopoll'], workspace: string | undefined): string {
  if (!autopoll.enabled) return 'off';
  if (workspace === undefined) return 'off as long as LOOPER_WORKSPACE is not set';
  const when = autopoll.cron ?? `every ${autopoll.intervalMs / 1000} s`;
  return `${when}, first in a moment (LOOPER_AUTO_START_WHEN_IDLE=0 turns it off)`;
}
