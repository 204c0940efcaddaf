/** From the entries of a configuration file to channels that deliver. */
import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config.ts';
import { channelSchema } from '../../src/notify/channel-config.ts';
import { createChannels } from '../../src/notify/channels.ts';
import { createSecretSource } from '../../src/notify/secret-source.ts';
import { testChannels } from '../../src/notify/test-channels.ts';
import { startReceiver } from '../support/fake-receiver.ts';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { recordLog } from '../support/notify-log.ts';
import { tempDir } from '../support/temp-dir.ts';

const SECRET = `whsec_${randomBytes(24).toString('base64')}`;

function notifyConfig(zulipUrl: string | undefined): Config['notify'] {
  return {
    required: false,
    timeoutMs: 1000,
    healthcheckUrl: undefined,
    zulip: {
      rcPath: undefined,
      home: '/nonexistent',
      profile: 'api',
      site: zulipUrl,
      botEmail: zulipUrl && 'bot@example.com',
      botApiKey: zulipUrl && 'key-of-the-bot',
      messageType: 'stream',
      stream: 'ops',
      topic: undefined,
      to: undefined,
    },
  };
}

function setUp(zulipUrl?: string) {
  const directory = tempDir();
  const log = recordLog();
  const variables: Record<string, string> = {};
  const create = (entries: readonly object[]) =>
    createChannels(notifyConfig(zulipUrl), log, {
      entries: entries.map((entry) => channelSchema.parse(entry)),
      secrets: createSecretSource({
        directory,
        variables,
        refuse: (path) => (path.includes('workspace') ? `${path} lies in a workspace` : null),
      }),
      commands: {
        directory,
        environment: { PATH: process.env['PATH'] ?? '' },
        killTree: () => Promise.resolve(),
      },
    });
  const write = (name: string, text: string): void => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  };
  return { directory, log, variables, create, write };
}

describe('createChannels', () => {
  it('makes each kind of channel, and testChannels says in words what is wrong with one', async () => {
    await using zulip = await startFakeZulip();
    await using receiver = await startReceiver();
    await using broken = await startReceiver({ mode: 'unknown' });
    const { create, write, variables, log } = setUp(zulip.url);
    write('slack.url', `${receiver.url}/services/canary\n`);
    write('webhook.secret', SECRET);
    variables['HOOK_URL'] = `${broken.url}/canary`;
    const { notifiers, secretValues } = create([
      { name: 'ops', type: 'slack', url_file: 'slack.url', events: ['end'] },
      { name: 'hook', type: 'webhook', url_env: 'HOOK_URL', secret_file: 'webhook.secret' },
      { name: 'mail', type: 'command', command: ['cat'] },
      { name: 'chat', type: 'zulip', topic: 'tests' },
    ]);
    expect(secretValues).toEqual([
      `${receiver.url}/services/canary`,
      `${broken.url}/canary`,
      SECRET,
      'key-of-the-bot',
    ]);
    expect(await testChannels(notifiers, { timeoutMs: 1000, log })).toEqual([
      { channel: 'ops', ok: true, sentence: 'OK ops (HTTP 200)' },
      {
        channel: 'hook',
        ok: false,
        sentence: `${broken.url} said 404: "no_service". Check url`,
      },
      { channel: 'mail', ok: true, sentence: 'OK mail (exit code 0)' },
      {
        channel: 'chat',
        ok: true,
        sentence: 'OK message_id=1001 type=stream stream=ops topic=tests',
      },
    ]);
    expect(log.lines.join('\n')).not.toContain('canary');
  });

  it('takes the entry of the file instead of the channel that the variables make', async () => {
    await using zulip = await startFakeZulip();
    const { create } = setUp(zulip.url);
    expect(create([]).notifiers.map(({ name }) => name)).toEqual(['zulip']);
    const { notifiers } = create([{ name: 'dm', type: 'zulip', to: '42', events: ['question'] }]);
    expect(notifiers.map(({ name, kinds }) => [name, [...kinds]])).toEqual([['dm', ['question']]]);
    await testChannels(notifiers, { timeoutMs: 1000, log: recordLog() });
    expect(zulip.messages).toMatchObject([{ type: 'private', to: '[42]' }]);
  });

  it('reports everything that cannot be used at once, and no secret', () => {
    const { create, write, variables } = setUp();
    write('empty', ' \n');
    write('url', 'https://user:canary@example.com/');
    variables['SECRET'] = 'no Base64 canary';
    const make = () =>
      create([
        { name: 'a', type: 'slack', url_file: 'nowhere' },
        { name: 'b', type: 'slack', url_file: 'empty' },
        { name: 'c', type: 'slack', url_file: 'url' },
        { name: 'd', type: 'slack', url_env: 'UNSET' },
        { name: 'e', type: 'slack', url_file: 'workspace/url' },
        { name: 'f', type: 'webhook', url: 'https://example.com', secret_env: 'SECRET' },
        { name: 'g', type: 'zulip' },
        { name: 'm', type: 'command', command: ['cat'] },
        { name: 'm', type: 'command', command: ['cat'] },
      ]);
    expect(make).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(
          new RegExp(
            [
              'channel "a": url_file: \\S+/nowhere does not exist',
              'channel "b": url_file: \\S+/empty is empty',
              'channel "c": its url is not an http\\(s\\) address without user name',
              'channel "d": url_env: the variable UNSET is not set',
              'channel "e": url_file: \\S+ lies in a workspace',
              'channel "f": the secret is not whsec_ followed by Base64',
              'channel "g": there are no credentials of Zulip; .*',
              'channel "m": there are two of that name$',
            ].join('\n  '),
          ),
        ),
      }),
    );
    expect(make).not.toThrow(/canary/);
  });

  it('warns of a secret that others may read', () => {
    const { create, write, directory, log } = setUp();
    write('url', 'https://example.com/canary');
    chmodSync(join(directory, 'url'), 0o644);
    create([{ name: 'a', type: 'slack', url_file: 'url' }]);
    expect(log.lines).toEqual([expect.stringMatching(/^notify\.warning .*chmod 600 it/)]);
  });
});
