/** What an agent is given, and what it is not: prompt, environment, descriptors; modes of files. */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRecords, runIdOf, startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

/** An agent of five lines: what it reads and inherits goes to the workspace, byte by byte. */
const witness = `#!/bin/bash
cat >"$OUT/prompt.new"
env -0 >"$OUT/env"
tr '\\0' '\\n' <"/proc/$$/cmdline" >"$OUT/argv"
ls -l /proc/$$/fd >"$OUT/fds"
cat /proc/$$/fdinfo/{0,1,2} >"$OUT/flags"
ps -o sid= -p $$ >"$OUT/sid"
mv "$OUT/prompt.new" "$OUT/prompt"
`;
const O_APPEND = 0o2000;
const O_ACCMODE = 0o3;

/** What a descriptor of this process leads to. */
function linkOf(fd: number): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

async function startWitness(env: Record<string, string> = {}) {
  const service = await startService({
    env: (home) => {
      writeFileSync(join(home, 'witness'), witness, { mode: 0o755 });
      mkdirSync(join(home, 'out'));
      const binary = { CODEX_EXEC_BINARY: join(home, 'witness'), OUT: join(home, 'out') };
      return { ...binary, LOOPER_KILL_GRACE_SECONDS: '0.2', ...env };
    },
  });
  const seen = (name: string): Buffer => readFileSync(join(service.home, 'out', name));
  return { service, seen };
}

test('the prompt arrives on stdin byte by byte, and never on the command line (row 26)', async () => {
  const { service, seen } = await startWitness();
  const prompts = ['-x', '-', 'help', '--yolo', ' blank \r\n\ttab and \0 e\u0301 🧑‍🚀'];
  prompts.push(`-c model="pwned" ${'x'.repeat(200_000)}`);
  for (const prompt of prompts) {
    const runId = runIdOf(await service.run({ codex_prompt: prompt }));
    await service.looper.ended(runId);
    expect(seen('prompt').toString()).toBe(prompt);
    expect(seen('argv').toString().trimEnd().split('\n').at(-1)).toBe('-');
  }
});

test('a default prompt of nearly 1 MiB arrives whole (row 26)', async () => {
  const prompt = `--yolo\n${'äöü '.repeat(149_000)}`;
  const { service, seen } = await startWitness();
  const file = join(service.home, 'prompt.txt');
  writeFileSync(file, prompt);
  await service.looper.stop();
  await service.restarted({ LOOPER_PROMPT_FILE: file });
  await service.looper.ended(await service.started({ codex_prompt: undefined }));
  expect(seen('prompt').equals(Buffer.from(prompt))).toBe(true);
});

test("the agent's environment holds what is meant for it, and no setting or secret of Looper", async () => {
  const secret = 'secret-that-nobody-may-see';
  const { service, seen } = await startWitness({
    LOOPER_API_TOKEN: secret,
    ZULIP_BOT_API_KEY: secret,
    ZULIP_SITE: 'http://127.0.0.1:9',
    ZULIP_BOT_EMAIL: 'bot@example.com',
    ZULIP_STREAM: 'ops',
    ZULIP_TOPIC: 'looper',
    CODEX_EXEC_DELAY_SECONDS: '0',
    CODEX_HOME: '/codex-home',
    EDITOR: 'ed',
  });
  const envFile = join(service.home, 'env-file');
  writeFileSync(
    envFile,
    `PROJECT_KEY=for the agent\nEDITOR=vi\nLOOPER_STALL_SECONDS=99\nLOOPER_API_TOKEN=${secret}\n`,
    { mode: 0o600 },
  );
  await service.looper.stop();
  const looper = await service.restarted({ LOOPER_ENV_FILE: envFile });
  const answer = await looper.post(
    '/run',
    { zulip_message: 'Go', codex_prompt: 'Do it', workspace: service.workspace },
    { Authorization: `Bearer ${secret}` },
  );
  await waitFor('the witness', () => readdirSync(join(service.home, 'out')).includes('prompt'));
  const environment = Object.fromEntries(
    seen('env')
      .toString()
      .split('\0')
      .filter(Boolean)
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  expect(environment).toMatchObject({
    LOOPER_RUN_ID: runIdOf(answer),
    LOOPER_URL: `${looper.url}/run`,
    PROJECT_KEY: 'for the agent',
    EDITOR: 'ed',
    CODEX_HOME: '/codex-home',
    HOME: service.home,
  });
  const ours = Object.keys(environment).filter((name) =>
    /^(?:LOOPER_|ZULIP|CODEX_EXEC_)/.test(name),
  );
  expect(ours.toSorted()).toEqual(['LOOPER_RUN_ID', 'LOOPER_URL']);
  expect(Object.values(environment).join('\n')).not.toContain(secret);

  // Nor anywhere else: not in the logs, not in what the runner may show of its own environment.
  await waitFor('the end', () => readRecords(looper.logDirectory)[0]?.status === 'finished');
  const entries = readdirSync(looper.logDirectory, { recursive: true, encoding: 'utf8' });
  const files = entries.filter((name) => lstatSync(join(looper.logDirectory, name)).isFile());
  const telling = files.filter((name) =>
    readFileSync(join(looper.logDirectory, name), 'utf8').includes(secret),
  );
  expect(files.length).toBeGreaterThan(5);
  expect(telling).toEqual([]);
  expect(looper.output()).not.toContain(secret);
});

test('the agent writes straight to the log, in its own session, and inherits nothing else', async () => {
  const { service, seen } = await startWitness();
  const runId = await service.started();
  const { log_path: logPath } = await service.looper.ended(runId);
  const links = [
    ...seen('fds')
      .toString()
      .matchAll(/ (\d+) -> (.*)/g),
  ];
  const fds = new Map(links.map(([, fd, target]) => [Number(fd), target]));
  const inherited = new Map([
    [0, logPath.replace(/log$/, 'turn1.prompt')],
    [1, logPath],
    [2, logPath],
  ]);
  for (const [fd, target] of fds) {
    // Bash keeps its script open; what this test was started with may go through all of us.
    if (target?.endsWith('/witness') || target === linkOf(fd)) fds.delete(fd);
  }
  expect(fds).toEqual(inherited);

  const flags = [
    ...seen('flags')
      .toString()
      .matchAll(/flags:\s*(\d+)/g),
  ];
  const [onStdin, onStdout, onStderr] = flags.map(([, octal]) => Number.parseInt(octal ?? '', 8));
  expect((onStdin ?? -1) & O_ACCMODE).toBe(0);
  expect([onStdout, onStderr].map((value) => (value ?? 0) & O_APPEND)).toEqual([
    O_APPEND,
    O_APPEND,
  ]);
  const { body } = await service.run({ codex_exec_startup_check_seconds: 5 });
  expect(Number(seen('sid').toString())).toBe((body['codex_exec_result'] as { pid: number }).pid);
});

test('files are 0600 and directories 0700, whatever the umask', async () => {
  const service = await startService({
    scenario: { steps: [{ do: 'outbox', title: 'Hi', text: 'there' }] },
    within: ['bash', '-c', 'umask 0; exec "$0" "$@"'],
  });
  const { looper, workspace } = service;
  const tickets = join(workspace, '.looper/tickets');
  mkdirSync(tickets, { recursive: true });
  writeFileSync(join(tickets, 'TICKET-001.md'), '---\ndone: false\ntitle: One\n---\nDo it.\n');
  await looper.ended(await service.started());
  await looper.ended(await service.started({ codex_prompt: undefined }));
  const stopped = await service.started({ codex_exec_delay_seconds: 0 });
  await looper.ended(stopped);
  await looper.stop();

  const wrong: string[] = [];
  const entries = readdirSync(looper.logDirectory, { recursive: true, encoding: 'utf8' });
  for (const name of ['.', ...entries]) {
    const stats = lstatSync(join(looper.logDirectory, name));
    if (stats.isSymbolicLink()) continue;
    const mode = stats.mode & 0o777;
    if (mode !== (stats.isDirectory() ? 0o700 : 0o600)) wrong.push(`${name} ${mode.toString(8)}`);
  }
  expect(wrong).toEqual([]);
  expect(entries.length).toBeGreaterThan(10);
});
