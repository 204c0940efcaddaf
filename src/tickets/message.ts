import { parseFrontMatter, splitFrontMatter } from './front-matter.ts';
import { oneLine, shown } from './text.ts';

export type MessageMode = 'notify' | 'pause';

export interface MessageText {
  readonly mode: MessageMode;
  /** One line; null when the agent gave none. */
  readonly title: string | null;
  readonly body: string;
  readonly warnings: readonly string[];
}

/** Whether a MESSAGE.md can be the whole of one: its front matter, where it has one, is closed. */
export function isClosedMessage(text: string): boolean {
  return text.trim() !== '' && splitFrontMatter(text).kind !== 'unclosed';
}

/**
 * Reads what an agent wrote to people. Nothing is rejected, since a message that is not shown may be
 * a question that is never answered: without front matter it notifies, and one whose mode cannot be
 * read pauses, because going on past a question costs more than a person's look.
 */
export function parseMessage(text: string): MessageText {
  if (splitFrontMatter(text).kind === 'missing') {
    return {
      mode: 'notify',
      title: null,
      body: text.trim(),
      warnings: ['The message has no front matter; it is taken as mode: notify.'],
    };
  }
  const parsed = parseFrontMatter(text);
  if (!parsed.ok) {
    const why = parsed.problems[0]?.message ?? '';
    const warning = `The message's front matter cannot be read (${why}); it is taken as mode: pause.`;
    return { mode: 'pause', title: null, body: text.trim(), warnings: [warning] };
  }
  const { values, fields } = parsed.mapping;
  const title = oneLine(fields.get('title')?.source ?? '') || null;
  const body = parsed.body.trim();
  const mode = values['mode'] ?? 'notify';
  const word = typeof mode === 'string' ? mode.trim().toLowerCase() : null;
  if (word === 'notify' || word === 'pause') return { mode: word, title, body, warnings: [] };
  const warning = `The message's mode is ${shown(mode)}, not notify or pause; it is taken as pause.`;
  return { mode: 'pause', title, body, warnings: [warning] };
}
