import { LooperError } from '../errors.ts';
import type { Notifier, NotifyLog } from './index.ts';
import { createZulipApi, type Deadline } from './zulip-api.ts';
import { findMember, parseMembers, parseRecipient } from './zulip-recipient.ts';
import { zulipContent, zulipTopic } from './zulip-text.ts';
import { parseSite, type ZulipCredentials } from './zuliprc.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
/** About 600 B for each person of the organisation. */
const MAX_USERS_BYTES = 32 * 1024 * 1024;

export interface ZulipConfig extends ZulipCredentials {
  /** As on the wire: the older words for channel and direct, which every version understands. */
  readonly type: 'stream' | 'private';
  readonly stream: string | undefined;
  readonly topic: string | undefined;
  /** Of a private message: an e-mail address, a user id, or (part of) a full name. */
  readonly to: string | undefined;
}

export interface ZulipNotifier extends Notifier {
  /**
   * Whether a message could be sent as far as the settings go, without asking the server. `output` is
   * the original's dry-run line, else what is missing, in words.
   */
  check(): { readonly ok: boolean; readonly output: string };
}

/**
 * Announces in Zulip, with the request that zulip-js 2.1 sends for the same message. `timeoutMs` is
 * the deadline of the fan-out: a wait that the server asks for and that would outlast it fails at once
 * instead of holding up the trigger.
 */
export function createZulip(
  config: ZulipConfig,
  { timeoutMs, log }: { readonly timeoutMs: number; readonly log: NotifyLog },
): ZulipNotifier {
  const api = createZulipApi({ ...config, site: parseSite(config.site) }, { log });
  const redact = (text: string) => api.redact(text);
  let knownRecipient: string | number | undefined;

  async function resolveRecipient(to: string, deadline: Deadline): Promise<string | number> {
    knownRecipient ??= parseRecipient(to) ?? undefined;
    if (knownRecipient === undefined) {
      const users = await api.call(
        { method: 'GET', path: '/users', maxBytes: MAX_USERS_BYTES },
        deadline,
      );
      knownRecipient = findMember(parseMembers(users), to);
    }
    return knownRecipient;
  }

  return {
    name: 'zulip',

    check() {
      const target = parseTarget(config, config.topic, redact);
      if (target.kind === 'missing') return { ok: false, output: target.sentence };
      const settings = `source=${config.source} site=set email=set key=set`;
      return { ok: true, output: redact(`DRY_RUN_OK ${settings} ${describe(target)}`) };
    },

    async send(announcement, signal) {
      const target = parseTarget(config, announcement.topic ?? config.topic, redact);
      if (target.kind === 'missing') throw new LooperError('NOTIFY_FAILED', target.sentence);
      const deadline = { signal, endsAt: performance.now() + timeoutMs };
      const address: Field[] =
        target.kind === 'stream'
          ? [
              ['to', target.stream],
              ['topic', target.topic],
            ]
          : [['to', JSON.stringify([await resolveRecipient(target.to, deadline)])]];
      const content = zulipContent(announcement, redact);
      const fields: Field[] = [['type', target.kind], ...address, ['content', content]];
      const { id } = await api.call(
        { method: 'POST', path: '/messages', fields, maxBytes: MAX_ANSWER_BYTES },
        deadline,
      );
      const messageId = Number.isSafeInteger(id) ? String(id) : 'unknown';
      return { output: redact(`OK message_id=${messageId} ${describe(target)}`) };
    },
  };
}

type Field = readonly [name: string, value: string];

type Target =
  | { readonly kind: 'stream'; readonly stream: string; readonly topic: string }
  | { readonly kind: 'private'; readonly to: string };

type TargetOrMissing = Target | { readonly kind: 'missing'; readonly sentence: string };

function parseTarget(
  config: ZulipConfig,
  topic: string | undefined,
  redact: (text: string) => string,
): TargetOrMissing {
  if (config.type === 'private') {
    if (config.to !== undefined) return { kind: 'private', to: config.to };
    return { kind: 'missing', sentence: 'private messages need a recipient: set ZULIP_TO' };
  }
  const { stream } = config;
  if (stream !== undefined && topic !== undefined) {
    return { kind: 'stream', stream, topic: zulipTopic(topic, redact) };
  }
  const missing = [
    ...(stream === undefined ? ['ZULIP_STREAM (or ZULIP_CHANNEL)'] : []),
    ...(topic === undefined ? ['ZULIP_TOPIC'] : []),
  ];
  return {
    kind: 'missing',
    sentence: `stream messages need a stream and a topic: set ${missing.join(' and ')}`,
  };
}

/** In the original's words, which its callers read. */
function describe(target: Target): string {
  return target.kind === 'stream'
    ? `type=stream stream=${target.stream} topic=${target.topic}`
    : `type=private to=${target.to}`;
}
