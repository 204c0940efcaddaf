import { createHmac } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './temp-dir.ts';

export const SECRET = 'a-secret-of-more-than-16-letters';
export const STANDARD_SECRET = `whsec_${Buffer.from('thirty-two bytes of a secret key').toString('base64')}`;

/** A configuration file in a folder of its own, with its secrets beside it; returns its path. */
export function writeConfigFile(
  yaml: string,
  secrets: Readonly<Record<string, string>> = {},
): string {
  const directory = tempDir('looper-config-');
  for (const [name, value] of Object.entries(secrets)) {
    writeFileSync(join(directory, name), `${value}\n`, { mode: 0o600 });
  }
  const path = join(directory, 'looper.yaml');
  writeFileSync(path, yaml, { mode: 0o600 });
  chmodSync(path, 0o600);
  return path;
}

/** A workspace apart from the configuration file. */
export function newWorkspace(): string {
  const path = join(tempDir('looper-workspace-'), 'workspace');
  mkdirSync(path);
  return path;
}

/** What the providers send with a body; written from their documentation, not from Looper's code. */
export const signed = {
  github: (body: string, event: string, id: string, secret = SECRET) => ({
    'Content-Type': 'application/json',
    'X-GitHub-Event': event,
    'X-GitHub-Delivery': id,
    'X-Hub-Signature-256': `sha256=${hmac(secret, body).toString('hex')}`,
  }),
  gitlab: (event: string, id: string, token = SECRET) => ({
    'Content-Type': 'application/json',
    'X-Gitlab-Event': event,
    'X-Gitlab-Token': token,
    'X-Gitlab-Event-UUID': id,
  }),
  slack: (body: string, atSeconds = now(), secret = SECRET) => ({
    'Content-Type': 'application/x-www-form-urlencoded',
    'X-Slack-Request-Timestamp': String(atSeconds),
    'X-Slack-Signature': `v0=${hmac(secret, `v0:${atSeconds}:${body}`).toString('hex')}`,
  }),
  standard: (body: string, id: string, atSeconds = now(), secret = STANDARD_SECRET) => ({
    'Content-Type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(atSeconds),
    'webhook-signature': `v1,${hmac(Buffer.from(secret.slice(6), 'base64'), `${id}.${atSeconds}.${body}`).toString('base64')}`,
  }),
};

/** What Zulip's outgoing webhook sends, as its documentation shows it. */
export function zulipMessage(
  content: string,
  id: number,
  { sender = 'iago@zulip.com', token = SECRET }: { sender?: string; token?: string } = {},
): string {
  return JSON.stringify({
    bot_email: 'looper-bot@zulip.com',
    bot_full_name: 'Looper',
    data: content,
    message: {
      avatar_url: 'https://secure.gravatar.com/avatar/1f4f1575bf002ae562fea8fc4b861b09?d=identicon',
      client: 'website',
      content,
      display_recipient: 'Verona',
      id,
      is_me_message: false,
      reactions: [],
      recipient_id: 20,
      rendered_content: `<p>${content}</p>`,
      sender_email: sender,
      sender_full_name: 'Iago',
      sender_id: 5,
      sender_realm_str: 'zulip',
      stream_id: 5,
      subject: 'Verona2',
      submessages: [],
      timestamp: 1_527_876_931,
      topic_links: [],
      type: 'stream',
    },
    token,
    trigger: 'mention',
  });
}

export function now(): number {
  return Math.floor(Date.now() / 1000);
}

function hmac(secret: string | Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}
