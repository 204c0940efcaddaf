import { unmetCondition } from './conditions.ts';
import type { Hook, HookRequest, Payload } from './hook.ts';
import { isAllowedSender, sendersOf } from './senders.ts';
import { fillTemplate } from './template.ts';

/** A verified delivery. */
export interface Delivery {
  readonly headers: HookRequest['headers'];
  readonly payload: Payload;
}

export type Judgement =
  | { readonly kind: 'ignored'; readonly reason: string }
  | {
      readonly kind: 'fires';
      readonly message: string;
      readonly prompt: string | null;
      /** Paths of the templates that lead to nothing in this payload. */
      readonly missing: readonly string[];
    };

/** Why a hook has nothing to do with a delivery, in one sentence; null: it is meant. */
export function objectionTo(hook: Hook, delivery: Delivery): string | null {
  const unmet = unmetCondition(hook, delivery);
  if (unmet !== null || hook.senders === null) return unmet;
  const senders = sendersOf(hook.verify.type, delivery.payload);
  if (isAllowedSender(senders, hook.senders)) return null;
  return senders.length === 0
    ? 'the payload does not say who sent it'
    : `${JSON.stringify(senders[0])} is not among the senders of this hook`;
}

/** What a hook makes of a delivery. */
export function judge(hook: Hook, delivery: Delivery): Judgement {
  const reason = objectionTo(hook, delivery);
  if (reason !== null) return { kind: 'ignored', reason };
  const message = fillTemplate(hook.message, delivery.payload, 'message');
  const prompt =
    hook.prompt === null ? null : fillTemplate(hook.prompt, delivery.payload, 'prompt');
  // A blank prompt would mean: stop what runs and start nothing. Only the file may say that.
  if (hook.prompt !== '' && prompt?.text.trim() === '') {
    return { kind: 'ignored', reason: 'its prompt is blank with this payload' };
  }
  return {
    kind: 'fires',
    message: message.text.trim() === '' ? `Hook ${hook.name}` : message.text,
    prompt: prompt?.text ?? null,
    missing: [...new Set([...message.missing, ...(prompt?.missing ?? [])])],
  };
}
