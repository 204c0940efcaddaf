import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { readConfigFile } from '../../src/config-file.ts';
import { runBodySchema } from '../../src/http/run-request.ts';
import { parseMessage } from '../../src/tickets/message.ts';
import { parseTicket } from '../../src/tickets/ticket.ts';
import type { Block } from './docs.ts';
import { SECRET, STANDARD_SECRET } from './hooks.ts';

/** How a block of each language is looked at; throws, or answers what is wrong. Others are prose. */
export const CHECKS: Readonly<Record<string, (block: Block, folder: string) => string | null>> = {
  sh: ({ text, isTest }) => {
    // By name it would find the processes of others who work on this machine.
    const byName = /\b(?:pgrep|pkill|killall)\b/.exec(text)?.[0];
    if (isTest && byName !== undefined)
      return `${byName} chooses processes by name: end them by pid`;
    const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
    return status === 0 ? null : stderr;
  },
  json: ({ text, isTest }) => {
    const value: unknown = JSON.parse(text);
    const isBody = isTest && typeof value === 'object' && value !== null;
    // The one body that this documentation shows; a problem of another shape shows as an unknown key.
    if (isBody && ('zulip_message' in value || 'message' in value)) {
      runBodySchema.strict().parse(value);
    }
    return null;
  },
  yaml: ({ text }, folder) => {
    const document = parseDocument(text);
    if (document.errors.length > 0) return String(document.errors[0]);
    if (/^(?:hooks|schedules|channels):/m.test(text)) useConfigFile(text, folder);
    return null;
  },
  md: ({ text }) => {
    if (!text.startsWith('---\n')) return null;
    if (/^mode:/m.test(text)) return parseMessage(text).warnings[0] ?? null;
    const parsed = parseTicket('TICKET-001.md', text);
    return parsed.ok ? null : JSON.stringify(parsed.problems);
  },
  ini: ({ text }, folder) => {
    const odd = text
      .split('\n')
      .find((line) => !/^(?:\s*|[#;].*|\[[\w-]+\]|[\w-]+=.*)$/.test(line));
    if (odd !== undefined) return `not "Key=value": ${odd}`;
    return /^\[Service\]$/m.test(text) ? verifyUnit(text, folder) : null;
  },
  xml: ({ text }) => unbalancedTag(text),
  nginx: ({ text }) => unbalancedBraces(text),
  caddy: ({ text }) => unbalancedBraces(text),
};

/** Languages of blocks in which there is nothing to check. */
export const PROSE: readonly string[] = ['', 'text', 'dockerfile', 'js', 'ts', 'diff'];

/**
 * Writes a LOOPER_CONFIG_FILE into `folder`, makes the secrets that it names and that are not there
 * yet, and reads it as the service does: throws what the service would say.
 */
export function useConfigFile(yaml: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const named = (key: string): string[] =>
    [...yaml.matchAll(new RegExp(`${key}: ([^\\s,}]+)`, 'g'))].map(([, name = '']) => name);
  const standard = /type: standard-webhooks, secret_file: ([^\s,}]+)/.exec(yaml)?.[1];
  const make = (name: string, content: string): void => {
    const path = resolve(folder, name);
    if (!path.startsWith(folder)) throw new Error(`${name} lies outside of the settings' folder`);
    mkdirSync(dirname(path), { recursive: true });
    try {
      writeFileSync(path, `${content}\n`, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  };
  for (const name of named('secret_file')) make(name, name === standard ? STANDARD_SECRET : SECRET);
  for (const name of named('url_file')) make(name, 'https://chat.example/services/T/B/secret');
  for (const name of named('(?:token|topic)_file')) make(name, SECRET);
  const path = join(folder, 'looper.yaml');
  writeFileSync(path, yaml, { mode: 0o600 });
  const variables = Object.fromEntries(named('\\w+_env').map((name) => [name, SECRET]));
  readConfigFile({ path, variables, workspace: undefined });
  return path;
}

/** What systemd says of a unit, where it is installed; the program of a unit is not on this machine. */
function verifyUnit(text: string, folder: string): string | null {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'looper-docs.service');
  const here = text
    .replaceAll(/^(Exec\w+=[-@:+!]*)\S+/gm, '$1/bin/true')
    .replaceAll(/^(?:User|Group|EnvironmentFile|WorkingDirectory)=.*$/gm, '');
  writeFileSync(path, here);
  const { error, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (error !== undefined) return null;
  // Of this unit only: the machine's own may have their faults.
  return stderr.split('\n').find((line) => line.includes('looper-docs.service')) ?? null;
}

function unbalancedBraces(text: string): string | null {
  let depth = 0;
  for (const character of text.replaceAll(/#.*$/gm, '')) {
    if (character === '{') depth += 1;
    if (character === '}') depth -= 1;
    if (depth < 0) break;
  }
  return depth === 0 ? null : 'its braces are not balanced';
}

function unbalancedTag(text: string): string | null {
  const open: string[] = [];
  const tags = text.replaceAll(/<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<![^>]*>/g, '');
  for (const [, slash, name = '', end] of tags.matchAll(/<(\/?)([\w:-]+)[^>]*?(\/?)>/g)) {
    if (slash === '/') {
      if (open.pop() !== name) return `</${name}> closes nothing`;
    } else if (end !== '/') open.push(name);
  }
  return open.length === 0 ? null : `<${open.join('><')}> is not closed`;
}
