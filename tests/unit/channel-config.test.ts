import { describe, expect, it } from 'vitest';
import { channelSchema, secretVariables } from '../../src/notify/channel-config.ts';

/** The sentences of a refusal, each behind its path. */
function problemsOf(given: object): string[] {
  const parsed = channelSchema.safeParse(given);
  if (parsed.success) return [];
  return parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('channelSchema', () => {
  it.each([
    { name: 'ops', type: 'slack', url_file: 'slack.url', events: ['end', 'failed'] },
    { name: 'ops', type: 'slack', url_env: 'SLACK_URL' },
    { name: 'phone', type: 'ntfy', topic: 'looper-4711' },
    {
      name: 'phone',
      type: 'ntfy',
      url: 'http://127.0.0.1:8080',
      topic_env: 'TOPIC',
      token_file: 'ntfy.token',
    },
    { name: 'hook', type: 'webhook', url: 'https://example.com/x', secret_env: 'SECRET' },
    { name: 'hook', type: 'webhook', url_file: 'url', secret_file: 'secret' },
    { name: 'mail', type: 'command', command: ['/usr/bin/mail', '-s', 'Looper', 'ada'] },
    { name: 'chat', type: 'zulip' },
    { name: 'chat_2', type: 'zulip', stream: 'ops', topic: 'looper', events: ['question'] },
    { name: 'dm', type: 'zulip', to: 'ada@example.com' },
  ])('takes %j', (given) => {
    expect(problemsOf(given)).toEqual([]);
  });

  it('sends everything where nothing is chosen', () => {
    const { events } = channelSchema.parse({ name: 'a', type: 'zulip' });
    expect(events).toEqual(['start', 'end', 'question', 'message', 'failed', 'usage_limited']);
  });

  it.each([
    [{ name: 'a', type: 'slack' }, /: needs exactly one of url_file, url_env$/],
    [
      { name: 'a', type: 'slack', url_file: 'x', url_env: 'Y' },
      /: needs exactly one of url_file, url_env$/,
    ],
    [
      { name: 'a', type: 'slack', url: 'https://example.com' },
      /: unknown "url" in a channel of type slack; secrets do not stand in this file/,
    ],
    [
      { name: 'a', type: 'webhook', url: 'https://example.com', secret: 'whsec_x' },
      /: unknown "secret" in a channel of type webhook; secrets do not stand/,
    ],
    [{ name: 'a', type: 'webhook', url: 'ftp://example.com' }, /^url: must be an http/],
    [{ name: 'a', type: 'ntfy' }, /: needs exactly one of topic, topic_file, topic_env$/],
    [{ name: 'a', type: 'ntfy', topic: 'a b' }, /^topic: must be 1 to 64 letters/],
    [{ name: 'a', type: 'command', command: [] }, /^command/],
    [{ name: 'a', type: 'command', command: 'mail ada' }, /^command/],
    [{ name: 'a', type: 'zulip', stream: 'x', to: 'y' }, /: needs at most one of stream, to$/],
    [{ name: 'a', type: 'zulip', events: ['ends'] }, /^events\.0: /],
    [{ name: 'a', type: 'zulip', events: [] }, /^events: /],
    [{ name: '../a', type: 'zulip' }, /^name: must be 1 to 40 letters/],
    [{ name: 'log', type: 'zulip' }, /^name: is taken by the server log/],
    [{ name: 'a', type: 'irc' }, /^type: /],
  ])('refuses %j', (given, expected) => {
    expect(problemsOf(given).join('\n')).toMatch(new RegExp(expected.source, 'm'));
  });
});

describe('secretVariables', () => {
  it('are those that the agent must not see', () => {
    const entries = [
      { name: 'a', type: 'slack', url_env: 'SLACK_URL' },
      { name: 'b', type: 'ntfy', topic_env: 'TOPIC', token_env: 'TOKEN' },
      { name: 'c', type: 'webhook', url: 'https://example.com', secret_env: 'SECRET' },
      { name: 'd', type: 'zulip' },
    ].map((entry) => channelSchema.parse(entry));
    expect(secretVariables(entries)).toEqual(['SLACK_URL', 'TOPIC', 'TOKEN', 'SECRET']);
  });
});
