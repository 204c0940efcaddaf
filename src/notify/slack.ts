import type { Message, Notifier, NotifyLog } from './index.ts';
import { createPoster, webPage } from './post.ts';
import { cutToLimit, neutraliseControls } from './text.ts';

/**
 * Of `text`, in UTF-16 units: the smallest of the limits that are documented for who takes this
 * request (2,000 in Discord's Slack-compatible webhook; Slack and Mattermost take more).
 */
const MAX_TEXT = 2000;
const MARKER = '\n[message truncated]';

/** Slack asks for these three to be written as entities, and no others. */
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/**
 * An incoming webhook of Slack, or of who understands the same request: Discord (its webhook's
 * address followed by `/slack`), Mattermost, Rocket.Chat.
 */
export function createSlack(
  name: string,
  { url, setting }: { readonly url: string; readonly setting: string },
  { timeoutMs, log }: { readonly timeoutMs: number; readonly log: NotifyLog },
): Notifier {
  const poster = createPoster({ url, setting, timeoutMs, log, objection: webPage });
  return {
    name,
    async send(message, signal) {
      const body = JSON.stringify({ text: slackText(message) });
      const { status } = await poster.post(body, { 'Content-Type': 'application/json' }, signal);
      return { output: `OK ${name} (HTTP ${status})` };
    },
  };
}

/** The text with Slack's markup made harmless, within the limit; an entity is never cut in two. */
export function slackText({ text }: Pick<Message, 'text'>): string {
  const plain = inertMentions(neutraliseControls(text));
  for (let room = MAX_TEXT; ;) {
    const cut = cutToLimit(plain, room, MARKER);
    const escaped = cut.replace(/[&<>]/gu, (character) => ENTITIES[character] ?? character);
    if (escaped.length <= MAX_TEXT) return escaped;
    room -= Math.max(1, Math.ceil((escaped.length - MAX_TEXT) / ENTITY_LENGTH));
  }
}

const ENTITY_LENGTH = 5;

/**
 * `@everyone` and its like with a zero-width space behind the @: an agent, or an issue's title in a
 * trigger, must not wake everybody (Slack's own form, `<!here>`, ends with its brackets).
 */
function inertMentions(text: string): string {
  return text.replace(/@(?=(?:everyone|here|channel|all)\b|[!&]?\d)/giu, '@\u200B');
}
