import { z } from 'zod';
import type { AnnouncementKind, Notifier, NotifyLog } from './index.ts';
import { createPoster } from './post.ts';
import { cutToBytes, headline, neutraliseControls } from './text.ts';

/** Of the message, in bytes; the server would turn a longer one into an attachment. */
const MAX_MESSAGE_BYTES = 4096;
const MAX_TITLE_BYTES = 250;
/** Of 1 to 5; 3 is what a message without one has. */
const HIGH_PRIORITY = 4;

/** Names of emojis, which ntfy shows in front of the title. */
const TAGS: Readonly<Record<AnnouncementKind, string>> = {
  start: 'arrow_forward',
  end: 'white_check_mark',
  question: 'question',
  message: 'speech_balloon',
  failed: 'warning',
  usage_limited: 'hourglass',
};

const answerSchema = z.looseObject({ id: z.string().min(1) });

export interface NtfySettings {
  /** The server, without the topic. */
  readonly url: string;
  readonly topic: string;
  /** On a public server, who knows the topic can read and write it. */
  readonly isTopicSecret: boolean;
  readonly token: string | undefined;
}

/** Publishes to a topic of ntfy, as JSON, so that a title may hold any character. */
export function createNtfy(
  name: string,
  { url, topic, isTopicSecret, token }: NtfySettings,
  { timeoutMs, log }: { readonly timeoutMs: number; readonly log: NotifyLog },
): Notifier {
  const poster = createPoster({
    url,
    setting: 'url, topic and token',
    secrets: [...(isTopicSecret ? [topic] : []), ...(token === undefined ? [] : [token])],
    timeoutMs,
    log,
    objection: (body) => (isPublished(body) ? null : 'an answer that is not one of ntfy'),
  });
  return {
    name,
    async send(message, signal) {
      const isUrgent = message.kind === 'question' || message.kind === 'failed';
      const body = JSON.stringify({
        topic,
        title: cutToBytes(headline(message), MAX_TITLE_BYTES, '…'),
        message: cutToBytes(
          neutraliseControls(message.text),
          MAX_MESSAGE_BYTES,
          '\n[message truncated]',
        ),
        tags: [TAGS[message.kind]],
        ...(isUrgent && { priority: HIGH_PRIORITY }),
      });
      const headers = {
        'Content-Type': 'application/json',
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      };
      const { status } = await poster.post(body, headers, signal);
      return { output: `OK ${name} (HTTP ${status})` };
    },
  };
}

function isPublished(body: string): boolean {
  try {
    return answerSchema.safeParse(JSON.parse(body)).success;
  } catch {
    return false;
  }
}
