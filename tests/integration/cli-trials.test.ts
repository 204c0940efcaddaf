import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonOf, runCli } from '../support/cli.ts';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { zulipEnvironment } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('looper notify test', () => {
  it('sends a message through every channel and says what came of it', async () => {
    await using zulip = await startFakeZulip();
    const home = tempDir();
    const env = zulipEnvironment(zulip);
    const good = await runCli(['notify', 'test'], { home, env });
    expect(good.stdout).toMatch(/^ok {5}zulip: OK message_id=/);
    expect(good.code).toBe(0);
    expect(zulip.messages).toHaveLength(1);

    zulip.mode = 'unauthorized';
    const bad = await runCli(['notify', 'test', '--json'], { home, env });
    expect(bad.code).toBe(1);
    expect(jsonOf(bad)).toMatchObject({ ok: false, channels: [{ channel: 'zulip', ok: false }] });
  });

  it('says so when there is none', async () => {
    const { code, stdout } = await runCli(['notify', 'test'], { home: tempDir() });
    expect(stdout).toBe('No channel is configured: announcements go to the server log.\n');
    expect(code).toBe(0);
  });
});

describe('looper hooks test', () => {
  const home = () => {
    const directory = tempDir();
    writeFileSync(join(directory, 'github.secret'), 'a-secret-of-some-length\n', { mode: 0o600 });
    writeFileSync(
      join(directory, 'looper.yaml'),
      [
        'hooks:',
        '  - name: labelled',
        '    verify: { type: github, secret_file: github.secret }',
        '    when: { headers: { x-github-event: issues }, payload: { action: labeled } }',
        '    message: "Issue {{issue.number}}"',
        '    prompt: "Work on {{issue.title}}"',
      ].join('\n'),
    );
    const payload = { action: 'labeled', issue: { number: 7, title: 'Empty lines' } };
    writeFileSync(join(directory, 'payload.json'), JSON.stringify(payload));
    return directory;
  };
  const test = (directory: string, ...more: string[]) =>
    runCli(['hooks', 'test', 'labelled', '--payload', 'payload.json', ...more], {
      home: directory,
      env: { LOOPER_CONFIG_FILE: join(directory, 'looper.yaml') },
    });

  it('shows what a delivery would start', async () => {
    const { code, stdout } = await test(home(), '-H', 'X-GitHub-Event: issues');
    expect(stdout).toContain('labelled fires');
    expect(stdout).toContain('message    Issue 7');
    expect(stdout).toContain('prompt     Work on Empty lines');
    expect(code).toBe(0);
  });

  it('says why one would start nothing', async () => {
    const { code, stdout } = await test(home());
    expect(stdout).toMatch(/^labelled does nothing: .*x-github-event/i);
    expect(code).toBe(1);
  });

  it('is a usage error without a payload that can be read', async () => {
    const directory = home();
    writeFileSync(join(directory, 'payload.json'), 'nonsense');
    expect((await test(directory)).code).toBe(2);
  });
});
