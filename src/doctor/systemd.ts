import type { Config } from '../config.ts';
import { ask, type AskOptions } from './ask.ts';
import { info, ok, warning, type Finding } from './finding.ts';

const SYSTEMCTL_MS = 3_000;

type OnShutdown = Config['runs']['onShutdown'];

export interface Unit {
  readonly name: string;
  /** Of the user's own manager, not the machine's. */
  readonly isUser: boolean;
}

/**
 * The service unit that a process belongs to, from its /proc/<pid>/cgroup; null: none, or a scope
 * such as that of a terminal's session.
 */
export function parseUnit(cgroup: string): Unit | null {
  // `0::/path` of cgroup 2, `1:name=systemd:/path` of cgroup 1.
  const path = /^(?:0::|\d+:name=systemd:)(\/.*)$/m.exec(cgroup)?.[1] ?? '';
  const parts = path.split('/').filter((part) => part !== '');
  const name = parts.findLast((part) => /\.(?:service|scope)$/.test(part));
  if (name === undefined || !name.endsWith('.service') || /^user@\d+\.service$/.test(name))
    return null;
  return { name, isUser: parts.some((part) => /^user@\d+\.service$/.test(part)) };
}

/** Asks systemd what it would kill at a restart of that unit. */
export async function checkUnit(
  unit: Unit,
  onShutdown: OnShutdown,
  options: Omit<AskOptions, 'deadlineMs'>,
): Promise<Finding> {
  const show = ['show', unit.name, '--property=KillMode', '--value'];
  const command = ['systemctl', ...(unit.isUser ? ['--user'] : []), ...show];
  const answer = await ask(command, { ...options, deadlineMs: SYSTEMCTL_MS });
  const mode = answer.kind === 'ended' && answer.code === 0 ? answer.stdout.trim() : '';
  return judgeKillMode(unit.name, mode, onShutdown);
}

/** `mode`: `''` where systemd did not say. */
export function judgeKillMode(unit: string, mode: string, onShutdown: OnShutdown): Finding {
  const id = 'service.kill_mode';
  const edit = `Set KillMode=process in ${unit}; \`looper init systemd\` writes such a unit`;
  if (mode === '') {
    return info(id, `the service runs in ${unit}, whose KillMode systemctl does not tell`, edit);
  }
  if (mode !== 'process') {
    return warning(id, `${unit} has KillMode=${mode}: a restart of the service ends the run`, edit);
  }
  if (onShutdown === 'detach') {
    return ok(
      id,
      `${unit} has KillMode=process and LOOPER_ON_SHUTDOWN=detach: a run survives a restart`,
    );
  }
  const what = `${unit} has KillMode=process, yet LOOPER_ON_SHUTDOWN=stop: a restart ends the run`;
  return info(id, what, 'Set LOOPER_ON_SHUTDOWN=detach to let it go on');
}
