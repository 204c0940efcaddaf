import { basename } from 'node:path';
import { notifyFailed } from './failure.ts';
import type { Notifier, NotifyLog } from './index.ts';
import type { Deadline } from './try-twice.ts';
import { createZulipApi } from './zulip-api.ts';
import { findMember, parseMembers, parseRecipient } from './zulip-recipient.ts';
import { zulipContent, zulipTopic } from './zulip-text.ts';
import { parseSite, type ZulipCredentials } from './zuliprc.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
/** Of what concerns no workspace, where no topic is set. */
const FALLBACK_TOPIC = 'Looper';
/** About 600 B for each person of the organisation. */
const MAX_USERS_BYTES = 32 * 1024 * 1024;

export interface ZulipConfig extends ZulipCredentials {
  /** As on the wire: the older words for channel and direct, which every version understands. */
  readonly type: 'stream' | 'private';
  readonly stream: string | undefined;
  /** Undefined: one for each workspace, named after its folder. */
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
      const target = parseTarget(config, config.topic ?? '<workspace>', redact);
      if (target.kind === 'missing') return { ok: false, output: target.sentence };
      const settings = `source=${config.source} site=set email=set key=set`;
      return { ok: true, output: redact(`DRY_RUN_OK ${settings} ${describe(target)}`) };
    },

    async send(message, signal) {
      const topic = config.topic ?? topicOf(message.workspace);
      const target = parseTarget(config, topic, redact);
      if (target.kind === 'missing') throw notifyFailed(target.sentence);
      const deadline = { signal, endsAt: performance.now() + timeoutMs };
      const address: Field[] =
        target.kind === 'stream'
          ? [
              ['to', target.stream],
              ['topic', target.topic],
            ]
          : [['to', JSON.stringify([await resolveRecipient(target.to, deadline)])]];
      const content = zulipContent(message, redact);
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
  topic: string,
  redact: (text: string) => string,
): TargetOrMissing {
  if (config.type === 'private') {
    if (config.to !== undefined) return { kind: 'private', to: config.to };
    return { kind: 'missing', sentence: 'private messages need a recipient: set ZULIP_TO' };
  }
  const { stream } = config;
  if (stream !== undefined) return { kind: 'stream', stream, topic: zulipTopic(topic, redact) };
  const sentence = 'stream messages need a stream: set ZULIP_STREAM (or ZULIP_CHANNEL)';
  return { kind: 'missing', sentence };
}

function topicOf(workspace: string | null | undefined): string {
  return (workspace == null ? '' : basename(workspace)) || FALLBACK_TOPIC;
}

/** In the original's words, which its callers read. */
function describe(target: Target): string {
  return target.kind === 'stream'
    ? `type=stream stream=${target.stream} topic=${target.topic}`
    : `type=private to=${target.to}`;
}
