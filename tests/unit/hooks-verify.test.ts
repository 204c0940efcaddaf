import { describe, expect, test } from 'vitest';
import type { HookRequest } from '../../src/hooks/hook.ts';
import { secretProblem, verifyRequest, type VerifyType } from '../../src/hooks/verify.ts';
import { now, SECRET, signed, STANDARD_SECRET, zulipMessage } from '../support/hooks.ts';

const BODY = '{"action":"opened","text":"Zoë"}';
const FORM = 'user_id=U1&text=go&command=%2Flooper';
const FIVE_MINUTES = 300;

function request(body: string | Uint8Array, headers: Record<string, string>): HookRequest {
  const lowerCase = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return { body: Buffer.from(body), headers: Object.fromEntries(lowerCase) };
}

async function ask(type: VerifyType, body: string | Uint8Array, headers: Record<string, string>) {
  const secret = type === 'standard-webhooks' ? STANDARD_SECRET : SECRET;
  return verifyRequest({ type, secret }, request(body, headers));
}

const BEARER = { Authorization: `Bearer ${SECRET}` };
const JSON_TYPE = { 'Content-Type': 'application/json' };

describe('what holds the secret is verified', () => {
  test.each<[VerifyType, string, Record<string, string>]>([
    ['github', BODY, signed.github(BODY, 'issues', '1')],
    ['gitlab', BODY, signed.gitlab('Push Hook', '1')],
    ['standard-webhooks', BODY, signed.standard(BODY, 'msg_1')],
    ['standard-webhooks', BODY, signed.standard(BODY, 'msg_1', now() - FIVE_MINUTES + 30)],
    ['slack', FORM, signed.slack(FORM)],
    ['slack', FORM, signed.slack(FORM, now() + FIVE_MINUTES - 30)],
    ['zulip', zulipMessage('status', 7), JSON_TYPE],
    [
      'zulip',
      `token=${SECRET}&text=status`,
      { 'Content-Type': 'application/x-www-form-urlencoded' },
    ],
    ['bearer', '', BEARER],
    ['bearer', BODY, { authorization: `bearer ${SECRET}` }],
  ])('%s', async (type, body, headers) => {
    expect((await ask(type, body, headers)).kind).toBe('verified');
  });

  test("GitHub's own example", async () => {
    // From GitHub's page on validating webhook deliveries.
    const secret = "It's a Secret to Everybody";
    const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
    const given = request('Hello, World!', { 'X-Hub-Signature-256': signature });
    expect((await verifyRequest({ type: 'github', secret }, given)).kind).toBe('verified');
  });

  test("Slack's own example", async () => {
    // From Slack's page on verifying requests, with the time at which it was signed.
    const secret = '8f742231b10e8888abcd99yyyzzz85a5';
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const given = request(body, {
      'X-Slack-Request-Timestamp': '1531420618',
      'X-Slack-Signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    });
    const at = (seconds: number) => verifyRequest({ type: 'slack', secret }, given, seconds * 1000);
    expect((await at(1_531_420_618)).kind).toBe('verified');
    expect((await at(1_531_420_618 + FIVE_MINUTES + 1)).kind).toBe('refused');
    expect((await at(1_531_420_618 - FIVE_MINUTES - 1)).kind).toBe('refused');
  });
});

describe('everything else is refused (row 73)', () => {
  const wrong = `${SECRET}x`;
  const wrongStandard = `whsec_${Buffer.from(wrong).toString('base64')}`;
  const invalidUtf8 = Buffer.from([0x7b, 0xff, 0x7d]);

  test.each<[string, VerifyType, string | Uint8Array, Record<string, string>]>([
    ['altered', 'github', `${BODY} `, signed.github(BODY, 'issues', '1')],
    ['unsigned', 'github', BODY, { 'X-GitHub-Event': 'issues' }],
    ['the old SHA-1', 'github', BODY, { 'X-Hub-Signature': 'sha1=abc' }],
    ['another secret', 'github', BODY, signed.github(BODY, 'issues', '1', wrong)],
    ['empty', 'github', '', signed.github('', 'issues', '1')],
    ['not UTF-8', 'github', invalidUtf8, signed.github('{\u{FFFD}}', 'issues', '1')],
    ['a BOM more', 'github', `\u{FEFF}${BODY}`, signed.github(BODY, 'issues', '1')],
    ['another token', 'gitlab', BODY, signed.gitlab('Push Hook', '1', wrong)],
    ['no token', 'gitlab', BODY, {}],
    ['altered', 'standard-webhooks', `${BODY} `, signed.standard(BODY, 'msg_1')],
    ['another id', 'standard-webhooks', BODY, { ...signed.standard(BODY, 'a'), 'webhook-id': 'b' }],
    ['too old', 'standard-webhooks', BODY, signed.standard(BODY, 'a', now() - FIVE_MINUTES - 10)],
    ['too new', 'standard-webhooks', BODY, signed.standard(BODY, 'a', now() + FIVE_MINUTES + 10)],
    ['another secret', 'standard-webhooks', BODY, signed.standard(BODY, 'a', now(), wrongStandard)],
    ['unsigned', 'standard-webhooks', BODY, { 'webhook-id': 'a' }],
    ['altered', 'slack', `${FORM}&x=1`, signed.slack(FORM)],
    ['too old', 'slack', FORM, signed.slack(FORM, now() - FIVE_MINUTES - 10)],
    ['too new', 'slack', FORM, signed.slack(FORM, now() + FIVE_MINUTES + 10)],
    ['no time', 'slack', FORM, { 'X-Slack-Signature': 'v0=00' }],
    [
      'a time that is no number',
      'slack',
      FORM,
      { ...signed.slack(FORM), 'X-Slack-Request-Timestamp': 'NaN' },
    ],
    ['another token', 'zulip', zulipMessage('run', 1, { token: wrong }), JSON_TYPE],
    ['no JSON', 'zulip', 'token', JSON_TYPE],
    ['a token that is no text', 'zulip', '{"token":{"a":1}}', JSON_TYPE],
    ['another token', 'bearer', BODY, { Authorization: `Bearer ${wrong}` }],
    ['another scheme', 'bearer', BODY, { Authorization: `Basic ${SECRET}` }],
    ['nothing', 'bearer', BODY, {}],
  ])('%s: %s', async (_, type, body, headers) => {
    const answer = await ask(type, body, headers);
    expect(answer).toMatchObject({ kind: 'refused', why: expect.stringMatching(/\S/) });
    expect(JSON.stringify(answer)).not.toContain(SECRET);
  });
});

describe('the same delivery has an id in common, another one has none', () => {
  const idsOf = async (type: VerifyType, body: string, headers: Record<string, string>) => {
    const answer = await ask(type, body, headers);
    if (answer.kind === 'refused') throw new Error(answer.why);
    return answer.ids;
  };
  const other = `${BODY} `;

  test.each<[VerifyType, [string, Record<string, string>], [string, Record<string, string>]]>([
    ['github', [BODY, signed.github(BODY, 'x', '1')], [BODY, signed.github(BODY, 'x', '2')]],
    ['github', [BODY, signed.github(BODY, 'x', '1')], [other, signed.github(other, 'x', '1')]],
    ['gitlab', [BODY, signed.gitlab('x', '1')], [other, signed.gitlab('x', '1')]],
    ['gitlab', [BODY, { 'X-Gitlab-Token': SECRET }], [BODY, { 'X-Gitlab-Token': SECRET }]],
    [
      'standard-webhooks',
      [BODY, signed.standard(BODY, 'a')],
      [BODY, signed.standard(BODY, 'a', now() - 9)],
    ],
    ['slack', [FORM, signed.slack(FORM, now() - 1)], [FORM, signed.slack(FORM, now() - 1)]],
    ['zulip', [zulipMessage('run', 5), JSON_TYPE], [zulipMessage('stop', 5), JSON_TYPE]],
    [
      'bearer',
      [BODY, { ...BEARER, 'Idempotency-Key': 'k' }],
      [other, { ...BEARER, 'Idempotency-Key': 'k' }],
    ],
  ])('%s: the same', async (type, first, second) => {
    const known = await idsOf(type, ...first);
    expect((await idsOf(type, ...second)).some((id) => known.includes(id))).toBe(true);
  });

  test.each<[VerifyType, [string, Record<string, string>], [string, Record<string, string>]]>([
    ['github', [BODY, signed.github(BODY, 'x', '1')], [other, signed.github(other, 'x', '2')]],
    ['gitlab', [BODY, signed.gitlab('x', '1')], [BODY, signed.gitlab('x', '2')]],
    ['standard-webhooks', [BODY, signed.standard(BODY, 'a')], [BODY, signed.standard(BODY, 'b')]],
    ['slack', [FORM, signed.slack(FORM, now() - 1)], [FORM, signed.slack(FORM, now())]],
    ['zulip', [zulipMessage('run', 5), JSON_TYPE], [zulipMessage('run', 6), JSON_TYPE]],
    // A cron job sends the same every day; nothing tells that from a replay.
    ['bearer', [BODY, BEARER], [BODY, BEARER]],
  ])('%s: another one', async (type, first, second) => {
    const known = await idsOf(type, ...first);
    expect((await idsOf(type, ...second)).some((id) => known.includes(id))).toBe(false);
  });
});

test('a secret that can be guessed is refused without being shown', () => {
  expect(secretProblem('github', SECRET)).toBeNull();
  expect(secretProblem('standard-webhooks', STANDARD_SECRET)).toBeNull();
  for (const [type, secret] of [
    ['github', 'hunter2'],
    ['zulip', 'fifteen-letters'],
    ['standard-webhooks', SECRET],
    ['standard-webhooks', 'whsec_c2hvcnQ='],
    ['standard-webhooks', `whsec_${'!'.repeat(40)}`],
  ] as const) {
    const problem = secretProblem(type, secret);
    expect(problem).toMatch(/openssl/);
    expect(problem).not.toContain(secret);
  }
});
