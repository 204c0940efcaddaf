import type { Payload } from './hook.ts';
import { textAt } from './paths.ts';
import type { VerifyType } from './verify.ts';

/**
 * Where each provider says who caused a delivery. The names are unique with their provider and
 * cannot be chosen to look like another person's, except Slack's `user_name`.
 */
const SENDER_PATHS: Readonly<Record<VerifyType, readonly string[]>> = {
  github: ['sender.login'],
  gitlab: ['user_username', 'user.username'],
  slack: ['user_id', 'user_name', 'user.id', 'event.user'],
  zulip: ['message.sender_email'],
  'standard-webhooks': [],
  bearer: [],
};

/** Whether deliveries of this type say who caused them. */
export function knowsSenders(type: VerifyType): boolean {
  return SENDER_PATHS[type].length > 0;
}

/** Who caused a delivery, under each name that the provider gives; none where it says nothing. */
export function sendersOf(type: VerifyType, payload: Payload): string[] {
  return SENDER_PATHS[type].flatMap((path) => textAt(payload, path) ?? []);
}

/** Logins and addresses are compared without regard to case, as their providers do. */
export function isAllowedSender(senders: readonly string[], allowed: readonly string[]): boolean {
  return senders.some((sender) => allowed.includes(sender.toLowerCase()));
}
