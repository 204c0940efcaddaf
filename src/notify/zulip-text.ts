import type { Announcement } from './index.ts';
import { cutToLimit, neutraliseControls } from './text.ts';

/** The defaults of Zulip's server, which counts code points and would cut the rest itself. */
const MAX_CONTENT = 10_000;
const MAX_TOPIC = 60;

/** Before the cut, which could leave a part of a secret that nobody recognises any more. */
type Redact = (text: string) => string;

/** The server refuses control characters in a topic, so line ends and tabs are blanks here. */
export function zulipTopic(topic: string, redact: Redact): string {
  const line = redact(neutraliseControls(topic)).replace(/\s+/gu, ' ').trim();
  return cutToLimit(line, MAX_TOPIC, '...');
}

/**
 * What is sent of an announcement: no control characters, within the limit. Only the trigger's own
 * message may wake everybody; in what an agent wrote, `@**all**` is just bold.
 */
export function zulipContent(
  { kind, text }: Pick<Announcement, 'kind' | 'text'>,
  redact: Redact,
): string {
  const plain = redact(neutraliseControls(text));
  const content = kind === 'start' ? plain : inertWildcards(plain);
  return cutToLimit(content, MAX_CONTENT, '\n[message truncated]');
}

/** `@**all**` and its synonyms with a zero-width space behind the @, so that nobody is notified. */
export function inertWildcards(text: string): string {
  return text.replace(/@(?=_?\*\*(?:all|everyone|channel|stream|topic)\*\*)/giu, '@\u200B');
}
