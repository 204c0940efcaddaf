import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { FileConfig } from '../config-file.ts';
import { createFileChannels } from '../daemon/file-channels.ts';
import { LooperError, systemErrorCode } from '../errors.ts';
import { listDeadLetters } from '../notify/letters.ts';
import { failure, info, ok, warning, type Finding } from './finding.ts';

const ID = 'announcements.channel';

/** The channels as far as their settings go; nothing is sent, nobody is asked. */
export function checkChannels(
  config: Config,
  file: FileConfig,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly findings: readonly Finding[]; readonly secretValues: readonly string[] } {
  const warnings: string[] = [];
  const log = {
    info: () => undefined,
    warn: (fields: object) => {
      if ('warning' in fields && typeof fields.warning === 'string') warnings.push(fields.warning);
    },
  };
  try {
    const { notifiers, problems, secretValues } = createFileChannels(file, {
      config,
      environment,
      log,
    });
    const findings = [
      ...notifiers.map(({ name }) =>
        ok(ID, `${name}: its settings are complete; \`looper notify test\` sends a message`),
      ),
      ...problems.map((what) => failure(ID, what, 'Complete it, or remove what there is of it')),
      ...warnings
        .filter((what) => !problems.includes(what))
        .map((what) => warning(ID, what, 'Do what it says')),
    ];
    if (findings.length > 0) return { findings, secretValues };
    const none = 'no channel: announcements go to the server log';
    const todo =
      'docs/announcements.md shows how to set up Zulip, Slack, ntfy, a webhook or a command';
    return { findings: [info(ID, none, todo)], secretValues };
  } catch (error) {
    if (!(error instanceof LooperError)) throw error;
    return { findings: [{ id: ID, level: 'error', what: error.message }], secretValues: [] };
  }
}

/** What never reached anybody, and what still waits. */
export function checkOutbox(logDirectory: string): Finding[] {
  const directory = join(logDirectory, 'outbox');
  const unreadable: string[] = [];
  const log = {
    info: () => undefined,
    warn: (fields: object) => unreadable.push('name' in fields ? String(fields.name) : ''),
  };
  const dead = listDeadLetters(directory, log);
  const waiting = listWaiting(directory);
  const findings: Finding[] = [];
  const newest = dead.at(-1);
  if (newest !== undefined) {
    const at = new Date(newest.createdAt).toISOString();
    const count = dead.length === 1 ? '1 message was' : `${dead.length} messages were`;
    findings.push(
      warning(
        'announcements.dead_letters',
        `${count} given up, the last for ${newest.channel} (${newest.event} of run ${newest.run}, ${at})`,
        `\`looper notify test\` says what is wrong there; then remove ${join(directory, '*.dead')}`,
      ),
    );
  }
  if (unreadable.length > 0) {
    const what = `${unreadable.length} given-up messages cannot be read (${unreadable[0]})`;
    findings.push(warning('announcements.dead_letters', what, `Look into ${directory}`));
  }
  if (waiting > 0) {
    const what = `${waiting} wait to be sent; a running service tries again by itself`;
    findings.push(info('announcements.waiting', what));
  }
  return findings;
}

function listWaiting(directory: string): number {
  try {
    return readdirSync(directory).filter((name) => /\.(?:waiting|sending)$/.test(name)).length;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
