import type { Config } from '../config.ts';
import { LooperError } from '../errors.ts';
import type { ChannelConfig } from './channel-config.ts';
import { createCommand, type CommandHost } from './command.ts';
import { ANNOUNCEMENT_KINDS, type Channel, type Notifier, type NotifyLog } from './index.ts';
import { checkedUrl, namedValue, type Context } from './named-value.ts';
import { createNtfy } from './ntfy.ts';
import type { SecretSource } from './secret-source.ts';
import { createSlack } from './slack.ts';
import { createWebhook } from './webhook.ts';
import { createZulip } from './zulip.ts';
import { resolveZulipCredentials } from './zuliprc.ts';

export interface Channels {
  readonly notifiers: readonly Channel[];
  /** What is configured in part and therefore not used, in sentences. */
  readonly problems: readonly string[];
  /** What the log must not show. */
  readonly secretValues: readonly string[];
}

/** What the configuration file adds to the variables. */
export interface FileChannels {
  readonly entries: readonly ChannelConfig[];
  readonly secrets: SecretSource;
  readonly commands: CommandHost;
}

/**
 * The channels that variables and configuration file name; none: announcements go to the log.
 * Throws `CONFIG_INVALID` with everything that the file names and that cannot be used.
 */
export function createChannels(
  config: Config['notify'],
  log: NotifyLog,
  file: FileChannels | null = null,
): Channels {
  const entries = file?.entries ?? [];
  const isZulipListed = entries.some(({ type }) => type === 'zulip');
  const fromVariables = isZulipListed ? [] : [{ ...DEFAULT_ZULIP }];
  const context: Context = { config, log, problems: [], faults: [], secretValues: [] };
  const notifiers = [
    ...fromVariables.flatMap((entry) => zulipChannel(entry, context, true)),
    ...(file === null ? [] : entries.flatMap((entry) => channelOf(entry, file, context))),
  ];
  const names = notifiers.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) context.faults.push(`channel "${twice}": there are two of that name`);
  if (context.faults.length > 0) {
    throw new LooperError(
      'CONFIG_INVALID',
      `The channels have a problem:${context.faults.map((fault) => `\n  ${fault}`).join('')}`,
    );
  }
  return { notifiers, problems: context.problems, secretValues: context.secretValues };
}

type ZulipEntry = Extract<ChannelConfig, { type: 'zulip' }>;

const DEFAULT_ZULIP: ZulipEntry = {
  name: 'zulip',
  type: 'zulip',
  events: [...ANNOUNCEMENT_KINDS],
};

function channelOf(entry: ChannelConfig, file: FileChannels, context: Context): Channel[] {
  const { log, config, faults } = context;
  const options = { timeoutMs: config.timeoutMs, log };
  const value = (setting: 'url' | 'secret' | 'topic' | 'token') =>
    namedValue(entry, setting, file.secrets, context);
  const url = (): string | null => checkedUrl(value('url'), entry.name, context);
  const made = ((): Notifier | null => {
    switch (entry.type) {
      case 'slack': {
        const address = url();
        const setting = entry.url_file === undefined ? 'url_env' : 'url_file';
        if (address === null) return null;
        return createSlack(entry.name, { url: address, setting }, options);
      }
      case 'ntfy': {
        const topic = value('topic');
        const wantsToken = entry.token_file !== undefined || entry.token_env !== undefined;
        const token = wantsToken ? value('token') : undefined;
        if (topic === null || token === null) return null;
        const isTopicSecret = entry.topic === undefined;
        return createNtfy(entry.name, { url: entry.url, topic, isTopicSecret, token }, options);
      }
      case 'webhook': {
        const [address, secret] = [url(), value('secret')];
        if (address === null || secret === null) return null;
        try {
          return createWebhook(entry.name, { url: address, setting: 'url', secret }, options);
        } catch {
          faults.push(`channel "${entry.name}": the secret is not whsec_ followed by Base64`);
          return null;
        }
      }
      case 'command':
        return createCommand(entry.name, entry.command, file.commands);
      case 'zulip':
        return zulipChannel(entry, context, false)[0] ?? null;
    }
    return entry satisfies never;
  })();
  return made === null ? [] : [{ ...made, kinds: new Set(entry.events) }];
}

/** `isImplied`: nobody has asked for Zulip yet, so that a part of it is no more than a problem. */
function zulipChannel(entry: ZulipEntry, context: Context, isImplied: boolean): Channel[] {
  const { config, log, problems, faults, secretValues } = context;
  const { zulip, timeoutMs } = config;
  const warn = (warning: string): void => log.warn({ warning }, 'notify.warning');
  const credentials = resolveZulipCredentials(
    { ...zulip, email: zulip.botEmail, apiKey: zulip.botApiKey },
    warn,
  );
  if (credentials === null) {
    if (!isImplied) {
      faults.push(
        `channel "${entry.name}": there are no credentials of Zulip; set ZULIPRC_PATH, or ZULIP_SITE, ZULIP_BOT_EMAIL and ZULIP_BOT_API_KEY`,
      );
    }
    return [];
  }
  secretValues.push(credentials.apiKey);
  const channel = createZulip(
    {
      ...credentials,
      type: typeOf(entry) ?? zulip.messageType,
      stream: entry.stream ?? zulip.stream,
      topic: entry.topic ?? zulip.topic,
      to: entry.to ?? zulip.to,
    },
    { timeoutMs, log },
  );
  const { ok, output } = channel.check();
  if (ok) return [{ ...channel, name: entry.name, kinds: new Set(entry.events) }];
  if (isImplied) {
    warn(output);
    problems.push(output);
  } else {
    faults.push(`channel "${entry.name}": ${output}`);
  }
  return [];
}

function typeOf({ to, stream }: ZulipEntry): 'private' | 'stream' | null {
  if (to !== undefined) return 'private';
  return stream === undefined ? null : 'stream';
}
