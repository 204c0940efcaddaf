import { LooperError } from '../errors.ts';
import type { Service } from './service.ts';

/**
 * A user unit for `looper serve`. It restarts the service and leaves runs alone; how its lines are
 * quoted is systemd.syntax(7) and "Command lines" in systemd.service(5).
 */
export function systemdUnit({ node, cli, environment }: Service): string {
  const variables = Object.entries(environment).map(
    ([name, value]) => `Environment=${quoted(`${name}=${value}`)}`,
  );
  return `# Written by "looper init systemd"; settings belong into the file that LOOPER_ENV_FILE names.
[Unit]
Description=Looper keeps one coding agent working

[Service]
Type=exec
ExecStart=${program(node)} ${argument(cli)} serve
WorkingDirectory=~
${variables.join('\n')}

# Only the service is stopped or restarted, never the run: the next start adopts it. With another
# KillMode a restart ends the run. To end all: systemctl --user stop looper, then looper stop.
KillMode=process
TimeoutStopSec=60
# The agent's commands count as this unit's: one that eats all memory must not take the service along.
OOMPolicy=continue
# A cgroup per run may be made below this unit's own.
Delegate=yes

Restart=on-failure
RestartSec=10
# 2: the configuration is wrong, 3: another one is running. Trying again changes neither.
RestartPreventExitStatus=2 3

# No NoNewPrivileges, Protect*, Private*, Restrict* or SystemCallFilter here, on purpose: each of
# them keeps codex from making the user namespaces of its own sandbox on some systems, or gives a
# restarted service another view of the files than the run that it adopts.

[Install]
WantedBy=default.target
`;
}

/** The program itself: no variables are replaced in it, and some characters cannot be said at all. */
function program(path: string): string {
  if (/["'\\]|(?![\u0080-\u009f])\p{Cc}/u.test(path)) {
    throw new LooperError(
      'CONFIG_INVALID',
      `systemd starts no program whose path holds a quote, a backslash or a control character, as ${JSON.stringify(path)} does. Install Node elsewhere, and run this again with that one.`,
    );
  }
  return quoted(path);
}

function argument(text: string): string {
  return quoted(text.replaceAll('$', '$$$$'));
}

/** One word: in double quotes, with C escapes; `%` would begin a specifier. */
function quoted(text: string): string {
  const escaped = text
    .replaceAll('%', '%%')
    .replaceAll(/["\\]/g, String.raw`\$&`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll(
      /(?![\u0080-\u009f])\p{Cc}/gu,
      (char) => String.raw`\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
  return `"${escaped}"`;
}
