import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfigFile } from '../../src/config-file.ts';
import { SECRET, STANDARD_SECRET, writeConfigFile } from '../support/hooks.ts';

const VARIABLES = { HOOK_SECRET: SECRET, EMPTY: ' ' };

const read = (path: string, workspace?: string) =>
  readConfigFile({ path, variables: VARIABLES, workspace });

/** The lines of the error, without its first one. */
function problemsOf(yaml: string, secrets: Record<string, string> = {}): string[] {
  const path = writeConfigFile(yaml, { secret: SECRET, ...secrets });
  const error = errorOf(() => read(path));
  expect(error).toMatchObject({ name: 'LooperError', code: 'CONFIG_INVALID' });
  const [first, ...lines] = error.message.split('\n  ');
  expect(first).toContain(path);
  return lines.map((line) => line.replaceAll(dirname(path), '<dir>'));
}

function errorOf(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('nothing was thrown');
}

const HOOK = `
hooks:
  - name: one
    verify: { type: github, secret_file: secret }
    message: hello
`;

test("the contract's example", () => {
  const path = writeConfigFile(
    `
hooks:
  - name: labelled
    verify: { type: github, secret_file: github.secret }      # or secret_env
    when: { headers: { x-github-event: issues }, payload: { action: labeled, label.name: looper } }
    senders: [octocat]
    message: "Issue {{issue.number}}"
    prompt: "Work on: {{issue.title}}"
    workspace: /srv/app
    on_busy: queue
schedules: [{ name: nightly, cron: "0 2 * * *", timezone: Europe/Berlin, message: nightly }]
channels:  [{ name: ops, type: slack, url_file: slack.url, events: [end, question, failed, usage_limited] }]
`,
    { 'github.secret': SECRET, 'slack.url': 'https://hooks.slack.example/T0/B0/x' },
  );
  const config = read(path);
  expect(config.hooks).toEqual([
    {
      name: 'labelled',
      verify: { type: 'github', secret: SECRET },
      headers: { 'x-github-event': ['issues'] },
      payload: { action: ['labeled'], 'label.name': ['looper'] },
      senders: ['octocat'],
      isChat: false,
      message: 'Issue {{issue.number}}',
      prompt: 'Work on: {{issue.title}}',
      workspace: '/srv/app',
      onBusy: 'queue',
    },
  ]);
  expect(config.schedules).toEqual([
    {
      name: 'nightly',
      cron: '0 2 * * *',
      timezone: 'Europe/Berlin',
      message: 'nightly',
      prompt: null,
      workspace: null,
      onBusy: null,
    },
  ]);
  expect(config.channels).toMatchObject([{ name: 'ops', type: 'slack' }]);
  expect(config.secretValues).toEqual([SECRET, 'https://hooks.slack.example/T0/B0/x']);
  expect(config.secretFiles.map((file) => file.replace(dirname(path), ''))).toEqual([
    '/github.secret',
    '/slack.url',
  ]);
  expect(config.warnings).toEqual([]);
});

test('every verify type, secrets of variables, and empty lists', () => {
  const path = writeConfigFile(
    `
hooks:
  - { name: a, verify: { type: gitlab, secret_env: HOOK_SECRET }, message: x }
  - { name: b, verify: { type: standard-webhooks, secret_file: standard }, message: x, prompt: "" }
  - { name: c, verify: { type: slack, secret_env: HOOK_SECRET }, message: x, senders: [U1] }
  - { name: d, verify: { type: zulip, secret_env: HOOK_SECRET }, chat: true, senders: [A@b.c] }
  - { name: e, verify: { type: bearer, secret_env: HOOK_SECRET }, message: x }
schedules:
channels: []
`,
    { standard: STANDARD_SECRET },
  );
  const config = read(path);
  expect(config.hooks.map(({ verify }) => verify.type)).toEqual([
    'gitlab',
    'standard-webhooks',
    'slack',
    'zulip',
    'bearer',
  ]);
  expect(config.hooks[1]).toMatchObject({ prompt: '', senders: null });
  expect(config.hooks[3]).toMatchObject({ isChat: true, senders: ['a@b.c'] });
  expect(config.secretNames).toEqual(['HOOK_SECRET', 'HOOK_SECRET', 'HOOK_SECRET', 'HOOK_SECRET']);
});

test('all problems at once, by line, each with what to write instead', () => {
  const problems = problemsOf(`hooks:
  - name: labelled
    verfy: { type: github }
    message: "a {{b"
    on_busy: qeue
  - name: 12
    verify: { type: gitub, secret: hunter2 }
    workspace: foo
    message: x
  - name: x
    verify: { type: bearer }
    when:
      payload:
        foo: { a: 1 }
    senders: octocat
    message: x
  - name: y
    verify: { type: bearer, secret_env: NOPE }
    senders: [octocat]
  - name: y
    verify: { type: github, secret_env: HOOK_SECRET }
    senders: []
    message: x
hoks: 1
schedules: [{ name: nightly, cron: "0 25 * * *", timezone: Europe/Berln, mesage: nightly }]
channels:
  - { name: ops, type: slack, url_file: nowhere }
`);
  expect(problems).toEqual([
    'line 2: hooks[0].verify is missing: write a mapping with keys of type, secret_file, secret_env',
    'line 3: hooks[0].verfy is not a key that belongs here: write verify',
    'line 4: hooks[0].message has {{ or }} that enclose no path: write {{issue.title}}, with a dotted path and nothing else',
    'line 5: hooks[0].on_busy must be one of replace, reject, queue; did you mean queue?',
    'line 6: hooks[1].name must be text: quote it, as in name: nightly',
    'line 7: hooks[1].verify.type must be one of github, gitlab, standard-webhooks, slack, zulip, bearer; did you mean github?',
    'line 7: hooks[1].verify.secret is not read from this file: write secret_file: <path>, or secret_env: <VARIABLE>',
    'line 8: hooks[1].workspace must be an absolute path: write workspace: /srv/app',
    'line 14: hooks[2].when.payload.foo must be a value, or a list of values of which one has to be there',
    'line 15: hooks[2].senders must be a list: write senders: [octocat]',
    'line 17: hooks[3].message is missing: write message: "Issue {{issue.number}}"',
    'line 18: hooks[3].verify.secret_env names no secret: the variable NOPE is not set',
    'line 19: hooks[3].senders cannot be checked: bearer does not say who sends; write a condition under when',
    'line 20: hooks[4].name is "y" for a second time',
    'line 22: hooks[4].senders is empty, so nobody could use it: name somebody',
    'line 24: hoks is not a key that belongs here: write hooks',
    'line 25: schedules[0].cron must be a cron expression such as "0 2 * * *" (minute, hour, day, month, weekday)',
    'line 25: schedules[0].timezone must be the name of a time zone such as Europe/Berlin',
    'line 25: schedules[0].message is missing: write message: nightly',
    'line 25: schedules[0].mesage is not a key that belongs here: write message',
    'line 27: channels[0].url_file names no secret: <dir>/nowhere does not exist',
  ]);
  expect(problems.join()).not.toContain('hunter2');
});

test.each<[string, RegExp]>([
  ['', /line 1: must hold keys/],
  ['[1]', /line 1: must hold keys/],
  ['hooks: [\n', /line \d: is not valid YAML/],
  ['hooks: 5', /line 1: hooks must be a list/],
  ['a: 1\na: 2\n', /line 2: is not valid YAML: Map keys must be unique/],
  ['{'.repeat(10_000), /nested too deep/],
  [`a: ${'[['.repeat(100)}${']]'.repeat(100)}`, /nested too deep/],
  ['- '.repeat(5_000), /nested too deep/],
  [`# ${'x'.repeat(300_000)}`, /larger than 256 KiB/],
  ['a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c]', /aliases/],
])('%#: not YAML that can be read', (yaml, expected) => {
  const start = performance.now();
  expect(problemsOf(yaml).join('\n')).toMatch(expected);
  expect(performance.now() - start).toBeLessThan(2_000);
});

test.each<[string, RegExp]>([
  [HOOK.replace('secret_file: secret', 'secret_file: a, secret_env: B'), /exactly one of/],
  [HOOK.replace('secret_file: secret', 'secret_env: "not a name"'), /name of a variable/],
  [HOOK.replace('secret_file: secret', 'secret_env: EMPTY'), /variable EMPTY is not set/],
  [HOOK.replace('secret_file: secret', 'secret_file: missing'), /missing does not exist/],
  [HOOK.replace('secret_file: secret', 'secret_file: short'), /too short/],
  [HOOK.replace('github', 'standard-webhooks'), /no secret of Standard Webhooks/],
  [HOOK.replace('hello', 'hello\n    chat: true'), /chat is only possible with.*zulip/],
  [HOOK.replace('hello', 'hello\n    chat: true'), /senders is missing: name who/],
  [HOOK.replace('hello', 'hello\n    chat: true'), /message has no use with chat/],
  [HOOK.replace('hello', 'hello\n    when: { payload: { a: [] } }'), /when.payload.a must be/],
  [HOOK.replace('hello', '" "'), /message must not be blank/],
  [HOOK.replace('one', 'two words'), /must be a word/],
  [HOOK.replace('one', '../../run'), /must be a word/],
])('%#: a problem in a hook', (yaml, expected) => {
  expect(problemsOf(yaml, { short: 'hunter2' }).join('\n')).toMatch(expected);
});

describe('secrets', () => {
  test('readable by others is a warning', () => {
    const path = writeConfigFile(HOOK, { secret: SECRET });
    chmodSync(join(dirname(path), 'secret'), 0o644);
    expect(read(path).warnings).toEqual([expect.stringMatching(/secret is readable by others/)]);
  });

  test('inside a workspace is refused: an agent could write it', () => {
    const path = writeConfigFile(HOOK, { secret: SECRET });
    expect(() => read(path, dirname(path))).toThrow(/lies in the workspace/);
    writeFileSync(path, `${HOOK}    workspace: ${dirname(path)}\n`);
    expect(() => read(path)).toThrow(/lies in the workspace/);
  });

  test('a file of another kind is not waited for', () => {
    const path = writeConfigFile(HOOK);
    mkdirSync(join(dirname(path), 'secret'));
    expect(() => read(path)).toThrow(/secret is not a regular file/);
  });
});

test('a file that is not there', () => {
  const path = join(dirname(writeConfigFile('')), 'other.yaml');
  expect(() => read(path)).toThrow(/line 1: the file does not exist/);
  writeFileSync(path, Buffer.alloc(2 * 1024 ** 2));
  expect(() => read(path)).toThrow(/larger than 1 MiB/);
});

test('what docs/triggers.md shows can be pasted', () => {
  const text = readFileSync(new URL('../../docs/triggers.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml]) => yaml ?? '');
  expect(blocks.length).toBeGreaterThan(5);
  for (const yaml of blocks) {
    const secrets = [...yaml.matchAll(/secret_file: ([\w.]+)/g)].map(([, file]) => file ?? '');
    const values = secrets.map((file) => [
      file,
      file === 'signed.secret' ? STANDARD_SECRET : SECRET,
    ]);
    const config = read(
      writeConfigFile(yaml, Object.fromEntries(values) as Record<string, string>),
    );
    expect(config.hooks.length + config.schedules.length).toBe(1);
  }
});
