import { describe, expect, test } from 'vitest';
import type { Hook, Payload } from '../../src/hooks/hook.ts';
import { judge } from '../../src/hooks/judge.ts';
import { testHook } from '../../src/hooks/trial.ts';
import { SECRET } from '../support/hooks.ts';

const HOOK: Hook = {
  name: 'labelled',
  verify: { type: 'github', secret: SECRET },
  headers: {},
  payload: {},
  senders: null,
  isChat: false,
  message: 'Issue {{issue.number}}',
  prompt: 'Work on: {{issue.title}}',
  workspace: '/srv/app',
  onBusy: 'queue',
};
const PAYLOAD: Payload = {
  action: 'labeled',
  issue: { number: 7, title: 'Fix it', labels: [{ name: 'bug' }, { name: 'looper' }] },
  merged: false,
  closed_at: null,
  sender: { login: 'OctoCat' },
};

const reasonOf = (hook: Partial<Hook>, payload: Payload = PAYLOAD, headers = {}): string | null => {
  const judgement = judge({ ...HOOK, ...hook }, { headers, payload });
  return judgement.kind === 'ignored' ? judgement.reason : null;
};

describe('conditions', () => {
  test.each<[Hook['payload']]>([
    [{}],
    [{ action: ['labeled'] }],
    [{ action: ['opened', 'labeled'], 'issue.number': [7] }],
    [{ 'issue.number': ['7'] }],
    [{ merged: [false] }],
    [{ merged: ['false'] }],
    [{ closed_at: [null] }],
    [{ 'issue.body': [null] }],
    [{ 'issue.labels.name': ['looper'] }],
    [{ 'issue.labels.0.name': ['bug'] }],
  ])('met: %j', (payload) => {
    expect(reasonOf({ payload })).toBeNull();
  });

  test.each<[Hook['payload'], string]>([
    [{ action: ['opened'] }, 'payload action is "labeled", not "opened"'],
    [{ action: ['a', 'b'] }, 'payload action is "labeled", not "a" or "b"'],
    [{ 'issue.labels.1.name': ['bug'] }, 'payload issue.labels.1.name is "looper", not "bug"'],
    [{ 'issue.body': ['x'] }, 'payload issue.body is not there, not "x"'],
    [{ action: [null] }, 'payload action is "labeled", not null'],
    [{ issue: ['[object Object]'] }, 'payload issue is {'],
    [{ 'constructor.name': ['Object'] }, 'payload constructor.name is not there'],
    [{ '__proto__.x': ['y'] }, 'payload __proto__.x is not there'],
  ])('not met: %j', (payload, reason) => {
    expect(reasonOf({ payload })).toContain(reason);
  });

  test('header names in any case, values exactly', () => {
    const given = { 'x-github-event': 'issues' };
    expect(reasonOf({ headers: { 'X-GitHub-Event': ['issues'] } }, PAYLOAD, given)).toBeNull();
    expect(reasonOf({ headers: { 'x-github-event': ['Issues'] } }, PAYLOAD, given)).toBe(
      'header x-github-event is "issues", not "Issues"',
    );
  });
});

describe('senders', () => {
  test.each<[Hook['verify']['type'], Payload, string]>([
    ['github', { sender: { login: 'OctoCat' } }, 'octocat'],
    ['gitlab', { user_username: 'octocat' }, 'octocat'],
    ['gitlab', { user: { username: 'octocat' } }, 'octocat'],
    ['slack', { user_id: 'U2CERLKJA', user_name: 'roadrunner' }, 'u2cerlkja'],
    ['slack', { event: { user: 'U2CERLKJA' } }, 'u2cerlkja'],
    ['zulip', { message: { sender_email: 'Iago@zulip.com' } }, 'iago@zulip.com'],
  ])('%s %j', (type, payload, sender) => {
    const verify = { type, secret: SECRET };
    expect(reasonOf({ verify, senders: ['x', sender], prompt: '' }, payload)).toBeNull();
    expect(reasonOf({ verify, senders: ['x'], prompt: '' }, payload)).toMatch(
      /is not among the senders/,
    );
    expect(reasonOf({ verify, senders: [sender], prompt: '' }, {})).toMatch(/does not say who/);
  });

  test('a sender that is no text matches nothing', () => {
    expect(reasonOf({ senders: ['octocat'] }, { sender: { login: ['octocat'] } })).toBeNull();
    expect(reasonOf({ senders: ['1'] }, { sender: { login: 1 } })).toMatch(/does not say who/);
  });
});

test('a blank prompt, which would stop what runs and start nothing, comes only from the file', () => {
  expect(reasonOf({ prompt: '{{issue.body}}' })).toBe('its prompt is blank with this payload');
  expect(reasonOf({ prompt: ' {{issue.body}}\n' })).toMatch(/blank/);
  expect(judge({ ...HOOK, prompt: '' }, { headers: {}, payload: PAYLOAD })).toMatchObject({
    kind: 'fires',
    prompt: '',
  });
  expect(judge({ ...HOOK, prompt: null }, { headers: {}, payload: PAYLOAD })).toMatchObject({
    kind: 'fires',
    prompt: null,
  });
});

test('a message that comes out blank names the hook', () => {
  expect(
    judge({ ...HOOK, message: '{{nothing}}' }, { headers: {}, payload: PAYLOAD }),
  ).toMatchObject({
    message: 'Hook labelled',
    missing: ['nothing'],
  });
});

describe('testHook', () => {
  const config = { hooks: [{ ...HOOK, headers: { 'x-github-event': ['issues'] } }] };

  test('says what would happen', () => {
    expect(testHook(config, 'labelled', PAYLOAD, { 'X-GitHub-Event': 'issues' })).toEqual({
      hook: 'labelled',
      fires: true,
      reason: null,
      senders: ['OctoCat'],
      run: {
        message: 'Issue 7',
        prompt: 'Work on: Fix it',
        workspace: '/srv/app',
        on_busy: 'queue',
      },
      missing: [],
    });
  });

  test('or why nothing would', () => {
    expect(testHook(config, 'labelled', PAYLOAD, {})).toMatchObject({
      fires: false,
      reason: 'header x-github-event is not there, not "issues"',
      run: null,
    });
  });

  test('an unknown name is an error with the nearest one', () => {
    expect(() => testHook(config, 'labeled', PAYLOAD, {})).toThrow('did you mean labelled?');
  });
});
