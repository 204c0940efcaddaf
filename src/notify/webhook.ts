import { Webhook } from 'standardwebhooks';
import type { Message, Notifier, NotifyLog } from './index.ts';
import { createPoster, webPage } from './post.ts';
import { cutToLimit, neutraliseControls } from './text.ts';

/** Keeps a payload below the 20 kB that the specification recommends. */
const MAX_TEXT = 12_000;

export interface WebhookSettings {
  readonly url: string;
  readonly setting: string;
  /** `whsec_` and Base64, or the Base64 alone. */
  readonly secret: string;
}

/**
 * Any program that can check a signature: Standard Webhooks 1.0.0. `webhook-id` stays the same over
 * all attempts, so a receiver that remembers it hears of nothing twice.
 */
export function createWebhook(
  name: string,
  { url, setting, secret }: WebhookSettings,
  { timeoutMs, log }: { readonly timeoutMs: number; readonly log: NotifyLog },
): Notifier {
  const signer = new Webhook(secret);
  const secrets = [secret, secret.replace(/^whsec_/u, '')];
  const poster = createPoster({ url, setting, secrets, timeoutMs, log, objection: webPage });
  return {
    name,
    async send(message, signal) {
      const body = JSON.stringify(payloadOf(message));
      const attemptedAt = new Date();
      const headers = {
        'Content-Type': 'application/json',
        'webhook-id': message.id,
        'webhook-timestamp': String(Math.floor(attemptedAt.getTime() / 1000)),
        'webhook-signature': signer.sign(message.id, attemptedAt, body),
      };
      const { status } = await poster.post(body, headers, signal);
      return { output: `OK ${name} (HTTP ${status})` };
    },
  };
}

function payloadOf({ kind, at, runId, workspace, text, facts }: Message) {
  return {
    type: `run.${kind}`,
    timestamp: at,
    data: {
      run_id: runId,
      workspace: workspace ?? null,
      text: cutToLimit(neutraliseControls(text), MAX_TEXT, '\n[message truncated]'),
      ...facts,
    },
  };
}
