import type { Payload } from './hook.ts';
import { textAt, valuesAt } from './paths.ts';

export const CHAT_VERBS = ['status', 'run', 'stop', 'pause', 'resume', 'reply', 'tail'] as const;
export type ChatVerb = (typeof CHAT_VERBS)[number];

export interface ChatCommand {
  /** `help`: whatever is not one of the verbs. */
  readonly verb: ChatVerb | 'help';
  /** What follows the verb, as it was written. */
  readonly text: string;
  /** The person's name, for the announcement. */
  readonly sender: string;
}

/** The bot is mentioned at the beginning of a message to a channel, and not at all in a direct one. */
const MENTION = /^\s*@_?\*\*[^*\n]+\*\*[\s:,]*/u;

/** The addresses that Zulip gives to bots; it has no other mark for them in this request. */
const BOT_ADDRESS = /-bot@/i;

/** Reads the command in what Zulip's outgoing webhook delivers; null for what a bot wrote. */
export function parseChatCommand(payload: Payload): ChatCommand | null {
  const email = textAt(payload, 'message.sender_email') ?? '';
  // Two bots that answer each other would never stop.
  if (BOT_ADDRESS.test(email) || email === textAt(payload, 'bot_email')) return null;
  if (valuesAt(payload, 'message.sender_is_bot').includes(true)) return null;
  const said = textAt(payload, 'message.content') ?? textAt(payload, 'data') ?? '';
  const [, word = '', text = ''] =
    /^\s*\/?(\S*)\s*([\s\S]*)$/u.exec(said.replace(MENTION, '')) ?? [];
  const verb = CHAT_VERBS.find((one) => one === word.toLowerCase()) ?? 'help';
  const sender = textAt(payload, 'message.sender_full_name') ?? email;
  return { verb, text: text.trim(), sender };
}
