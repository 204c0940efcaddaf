import { join } from 'node:path';
import { LooperError } from '../errors.ts';
import type { Service } from './service.ts';

export const LAUNCHD_LABEL = 'codex-looper.serve';

type Value = string | number | boolean | readonly string[] | { readonly [key: string]: Value };

/** A launch agent for `looper serve`; the keys are those of launchd.plist(5). */
export function launchdAgent({ node, cli, homeDirectory, environment }: Service): string {
  // Looper's own log lies elsewhere: this is for what it says before it has one.
  const output = join(homeDirectory, 'Library', 'Logs', 'looper.log');
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- Written by "looper init launchd"; settings belong into the file that LOOPER_ENV_FILE names. -->
<plist version="1.0">
${element(
  {
    Label: LAUNCHD_LABEL,
    ProgramArguments: [node, cli, 'serve'],
    EnvironmentVariables: environment,
    WorkingDirectory: homeDirectory,
    RunAtLoad: true,
    // After a failure only: an end that was asked for is one.
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: 10,
    ExitTimeOut: 60,
    // The run goes on when the service is stopped or restarted; the next start adopts it.
    AbandonProcessGroup: true,
    StandardOutPath: output,
    StandardErrorPath: output,
  },
  '',
)}
</plist>
`;
}

function element(value: Value, indent: string): string {
  const inner = `${indent}  `;
  if (typeof value === 'string') return `${indent}<string>${text(value)}</string>`;
  if (typeof value === 'number') return `${indent}<integer>${value}</integer>`;
  if (typeof value === 'boolean') return `${indent}<${value}/>`;
  if (isList(value)) {
    const items = value.map((item) => element(item, inner));
    return [`${indent}<array>`, ...items, `${indent}</array>`].join('\n');
  }
  const entries = Object.entries(value).flatMap(([key, held]) => [
    `${inner}<key>${text(key)}</key>`,
    element(held, inner),
  ]);
  return [`${indent}<dict>`, ...entries, `${indent}</dict>`].join('\n');
}

function isList(value: Value): value is readonly string[] {
  return Array.isArray(value);
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** XML 1.0 has no way to write most control characters, and a bare CR would be read as a newline. */
function text(value: string): string {
  if (/(?![\t\n\r\u007f-\u009f])\p{Cc}|[\ufffe\uffff]/u.test(value)) {
    throw new LooperError(
      'CONFIG_INVALID',
      `A property list cannot hold the control characters of ${JSON.stringify(value)}. Use a path without them.`,
    );
  }
  return value.replaceAll(/[&<>]/g, (char) => ENTITIES[char] ?? char).replaceAll('\r', '&#13;');
}
