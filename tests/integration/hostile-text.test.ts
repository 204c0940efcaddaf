/** Text of an agent or a ticket that means to do something to whoever reads it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { startFakeZulip } from '../support/fake-zulip.ts';
import { SECRET, writeConfigFile, zulipMessage } from '../support/hooks.ts';
import { startService, zulipEnvironment } from '../support/service.ts';
import { ticketText } from '../support/ticket-runs.ts';
import { waitFor } from '../support/wait-for.ts';

const HOSTILE =
  '\u001b]0;owned\u0007\u001b[2J\u001b[31mred\u202egnp.exe\u202c\u009b2J\r\nX-Forged: yes\r<script>alert(1)</script> @**all**';
/** All that a terminal or a chat would obey; newline and tab are left. */
// eslint-disable-next-line no-control-regex
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

const CHAT = `
hooks:
  - name: chat
    verify: { type: zulip, secret_file: secret }
    chat: true
    senders: [iago@zulip.com]
`;

test('stays text on every screen of the command line, in chat and in announcements (row 72)', async () => {
  await using zulip = await startFakeZulip();
  const service = await startService({
    env: {
      ...zulipEnvironment(zulip),
      LOOPER_CONFIG_FILE: writeConfigFile(CHAT, { secret: SECRET }),
    },
    scenario: {
      steps: [
        { do: 'out', text: `${HOSTILE}\n` },
        { do: 'say', text: HOSTILE },
        { do: 'command', command: HOSTILE, output: HOSTILE, exitCode: 1 },
        { do: 'change', path: HOSTILE },
        { do: 'outbox', title: HOSTILE, text: HOSTILE },
        { do: 'wait', path: 'go' },
        { do: 'outbox', mode: 'pause', title: HOSTILE, text: HOSTILE },
      ],
      message: HOSTILE,
    },
  });
  const { looper, workspace } = service;
  mkdirSync(join(workspace, '.looper/tickets'), { recursive: true });
  const ticket = ticketText({ title: HOSTILE, goal: HOSTILE });
  writeFileSync(join(workspace, '.looper/tickets/TICKET-001.md'), ticket);

  let id = 0;
  const inChat = async (command: string): Promise<string> => {
    const answer = await fetch(`${looper.url}/hooks/chat`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: zulipMessage(`@**Looper** ${command}`, (id += 1)),
    });
    return ((await answer.json()) as { content: string }).content;
  };
  const home = dirname(looper.logDirectory);
  const onScreen = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await runCli(args, { home, url: looper.url, cwd: workspace });
    return stdout + stderr;
  };
  const expectInert = async (screens: Promise<string>[]): Promise<void> => {
    for (const text of await Promise.all(screens)) {
      expect(text).toContain('gnp.exe');
      expect(text).not.toMatch(OBEYED);
    }
  };

  const runId = await service.started({ codex_prompt: undefined });
  await waitFor('the message', () => zulip.messages.length === 2);
  await expectInert([onScreen('status'), inChat('tail')]);
  writeFileSync(join(workspace, 'go'), '');
  expect(await looper.ended(runId)).toMatchObject({ outcome: 'waiting' });
  await waitFor('the question', () => zulip.messages.length === 3);
  const screens = ['status', 'tickets', 'logs'].map((command) => onScreen(command));
  await expectInert([...screens, inChat('status')]);

  for (const { content } of zulip.messages.slice(1)) {
    expect(content).toContain('gnp.exe');
    expect(content).not.toMatch(OBEYED);
    expect(content).not.toContain('@**all**');
  }
  // The header of a run log is lines of `# name=value`; none can be added to it by what it quotes.
  const header = looper.log(runId).split('\n\n', 1)[0] ?? '';
  expect(header).not.toMatch(/^X-Forged/m);
});
