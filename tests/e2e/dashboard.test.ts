/** The dashboard in a real browser, on a real service with a scripted agent. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import {
  collectProblems,
  DESKTOP,
  hasBrowser,
  openBrowser,
  PHONE,
  seriousFindings,
  takeScreenshot,
} from '../support/browser.ts';
import type { Scenario, TurnScenario } from '../support/fake-codex.ts';
import { looksAlive } from '../support/scripted-agent.ts';
import { startService, type Service } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

const TOKEN = 'a-token-of-more-than-16-letters';
const HOSTILE = '<script>window.pwned = 1</script><img src=x onerror="window.pwned = 2">';
const DECEIVING = `\u001b[31mred\u001b]0;title\u0007 \u202egnp.exe\u202c ${HOSTILE}`;

async function openPage(service: Service, options: Parameters<typeof openBrowser>[0] = {}) {
  const context = await openBrowser(options);
  const page = context.pages()[0] ?? (await context.newPage());
  const problems = collectProblems(page);
  await page.goto(service.looper.url);
  return { context, page, problems };
}

function textOf(page: Page, selector: string): Promise<string> {
  return page.locator(selector).innerText();
}

function untilText(page: Page, selector: string, part: string): Promise<unknown> {
  return waitFor(
    `${JSON.stringify(part)} in ${selector}`,
    async () => (await textOf(page, selector)).includes(part),
    20_000,
    50,
  );
}

function writeTicket(service: Service, name: string, keys: object, body: string): void {
  const folder = join(service.workspace, '.looper/tickets');
  mkdirSync(folder, { recursive: true });
  const head = Object.entries({ agent: 'codex', done: false, ...keys });
  const lines = head.map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  writeFileSync(join(folder, name), `---\n${lines.join('\n')}\n---\n\n${body}\n`);
}

const TALKING: Scenario = {
  steps: [
    { do: 'say', text: 'I look at the tests first.' },
    {
      do: 'command',
      command: 'npm test',
      output: '3 passed\n1 failed\n',
      exitCode: 1,
    },
    { do: 'change', path: 'src/parser.ts', kind: 'update' },
    { do: 'wait', path: 'go-on' },
    { do: 'say', text: 'And the log grows.' },
    { do: 'hang' },
  ],
};

/** Ends of every colour for the picture and the list. */
const PAST: TurnScenario[] = [
  { steps: [{ do: 'fail', message: 'The model is overloaded.' }] },
  { usage: { input_tokens: 184_000, cached_input_tokens: 120_000, output_tokens: 9_400 } },
  { usage: { input_tokens: 1_310_000, cached_input_tokens: 900_000, output_tokens: 41_200 } },
];

const RICH: TurnScenario = {
  steps: [
    { do: 'say', text: 'I read the ticket and look at how the parser treats an empty line.' },
    {
      do: 'command',
      command: 'rg -n "empty line" src',
      output: 'src/parser.ts:41:  // empty line\n',
    },
    { do: 'change', path: 'src/parser.ts', kind: 'update' },
    { do: 'change', path: 'tests/parser.test.ts', kind: 'add' },
    {
      do: 'command',
      command: 'npm test -- parser',
      output: 'parser\n  ok   reads a line\n  FAIL keeps an empty line\n\n1 passed, 1 failed\n',
      exitCode: 1,
    },
    { do: 'err', text: 'warning: the cache is cold\n' },
    {
      do: 'say',
      text: 'The empty line is dropped by the trim before the split. Now the second half.',
    },
    { do: 'hang' },
  ],
};

const TICKETS: readonly (readonly [string, object])[] = [
  ['Read the configuration from a file', { done: true }],
  ['Report every problem at once', { done: true }],
  ['Keep empty lines in the parser', { goal: 'No input loses a line' }],
  ['Resume a download where it stopped', {}],
  ['Decide on the licence', { agent: 'user' }],
  ['Write down how to upgrade', {}],
];

describe.skipIf(!hasBrowser())('the dashboard', () => {
  test('shows the active run as it goes on, and stops it', async () => {
    const service = await startService({ scenario: TALKING });
    const { page, problems } = await openPage(service);
    await untilText(page, '#state', 'Idle');
    await page.fill('#start-workspace', service.workspace);
    await page.fill('#start-prompt', 'Mend the parser');
    await page.click('form[data-action=start] button');
    await untilText(page, '#said', 'has started');
    await untilText(page, '#state', 'Working');
    await untilText(page, '#log', 'I look at the tests first.');
    await untilText(page, '#log', '$ npm test — exit code 1');
    await untilText(page, '#log', '1 failed');
    expect(await textOf(page, '#log')).not.toContain('And the log grows.');
    writeFileSync(join(service.workspace, 'go-on'), '');
    await untilText(page, '#log', 'And the log grows.');
    expect(await textOf(page, '#connection')).toBe('live');

    const { body } = await service.looper.get('/runs/current');
    const { agent, run_id: runId } = body['run'] as { agent: { pid: number }; run_id: string };
    expect(looksAlive(agent.pid)).toBe(true);
    await page.click('#stop');
    await untilText(page, '#said', `Run ${runId} has ended: stopped.`);
    expect(looksAlive(agent.pid)).toBe(false);
    await untilText(page, '#state', 'Idle');
    await untilText(page, '#runs', 'stopped');
    expect(problems).toEqual([]);
  });

  test('hostile tickets, logs, messages and questions stay text (row 72)', async () => {
    const service = await startService({
      scenario: {
        steps: [
          { do: 'out', text: `${DECEIVING}\r\n` },
          { do: 'say', text: DECEIVING },
          { do: 'command', command: DECEIVING, output: DECEIVING, exitCode: 1 },
          { do: 'change', path: DECEIVING },
          { do: 'outbox', mode: 'pause', title: DECEIVING, text: DECEIVING },
        ],
      },
    });
    const name = 'TICKET-001-<img src=x onerror=alert(1)>.md';
    writeTicket(service, name, { title: DECEIVING, goal: DECEIVING }, DECEIVING);
    const runId = await service.started({ codex_prompt: undefined });
    await service.looper.ended(runId);
    const { page, problems } = await openPage(service);
    await untilText(page, '#log', HOSTILE);
    await untilText(page, '#question', HOSTILE);
    await page.locator('.ticket summary').first().click();
    await untilText(page, '.ticket .ticket-text', HOSTILE);
    await takeScreenshot(page, 'hostile');
    const shown = await textOf(page, 'body');
    expect(shown).toContain('\\u{202e}gnp.exe');
    for (const bad of ['\u001b', '\u202e', '\u202c', '\u0007']) expect(shown).not.toContain(bad);
    expect(await page.title()).toBe('Looper');
    expect(await page.evaluate('window.pwned')).toBeUndefined();
    expect(await page.locator('main script, main img').count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test('an answer to a question starts the loop again', async () => {
    const service = await startService({
      scenario: {
        turns: [
          { steps: [{ do: 'outbox', mode: 'pause', title: 'Which port?', text: 'A or B?' }] },
          { steps: [{ do: 'ticket' }] },
        ],
      },
      env: { LOOPER_COMMIT: 'off' },
    });
    writeTicket(service, 'TICKET-001-port.md', { title: 'Choose a port' }, 'Do it.');
    await service.looper.ended(await service.started({ codex_prompt: undefined }));
    const { page, problems } = await openPage(service);
    await untilText(page, '#state', 'Waiting for you: Which port?');
    expect(await seriousFindings(page)).toEqual([]);
    await takeScreenshot(page, 'question', false);
    await untilText(page, '#log', 'question: Which port?');
    await page.fill('#reply-text', 'Port B, please.');
    await page.getByRole('button', { name: 'Answer and go on' }).click();
    await untilText(page, '#said', 'Your answer is stored.');
    await untilText(page, '#runs', 'reply');
    await untilText(page, '#tickets', '0 tickets left, 1 done.');
    expect(await page.locator('#question form').count()).toBe(0);
    expect(service.calls().at(-1)?.prompt).toContain('Port B, please.');
    expect(problems).toEqual([]);
  });

  test('goes on after the service was restarted, without a gap and without a line twice', async () => {
    const service = await startService({
      scenario: { steps: [{ do: 'lines', count: 60, everyMs: 100 }, { do: 'hang' }] },
      env: { LOOPER_ON_SHUTDOWN: 'detach' },
    });
    await service.started();
    const { page } = await openPage(service);
    await untilText(page, '#log', 'line 5');
    const { port } = new URL(service.looper.url);
    await service.looper.kill();
    await untilText(page, '#connection', 'reconnecting…');
    await service.restarted({ LOOPER_PORT: port });
    await untilText(page, '#connection', 'live');
    await untilText(page, '#log', 'line 60');
    const lines = (await textOf(page, '#log')).match(/line \d+/g);
    expect(lines).toEqual(Array.from({ length: 60 }, (_, i) => `line ${i + 1}`));
  });

  test('follows the log until somebody scrolls up, and again on request', async () => {
    const service = await startService({
      scenario: {
        steps: [
          { do: 'lines', count: 80 },
          { do: 'wait', path: 'go-on' },
          { do: 'lines', count: 80 },
          { do: 'say', text: 'the very last' },
        ],
      },
    });
    await service.started();
    const { page } = await openPage(service, { viewport: PHONE });
    await untilText(page, '#log', 'line 80');
    const top = () => page.locator('#log').evaluate((log) => log.scrollTop);
    expect(await top()).toBeGreaterThan(500);
    await page.locator('#log').evaluate((log) => log.scrollTo(0, 0));
    await page.locator('#newest').waitFor({ state: 'visible' });
    writeFileSync(join(service.workspace, 'go-on'), '');
    await untilText(page, '#log', 'the very last');
    expect(await top()).toBe(0);
    await page.click('#newest');
    await waitFor('the end of the log', async () => (await top()) > 1000);
    expect(await page.locator('#newest').isVisible()).toBe(false);
  });

  test('asks for the token once, keeps the session over a restart, and ends it', async () => {
    const service = await startService({ env: { LOOPER_API_TOKEN: TOKEN } });
    const { url } = service.looper;
    const { context, page } = await openPage(service);
    expect(await page.title()).toBe('Log in to Looper');
    expect(await seriousFindings(page)).toEqual([]);
    await takeScreenshot(page, 'login');
    // Its policy lets its own style through.
    const width = await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth");
    expect(width).toBe('416px');
    await page.fill('#token', 'wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await untilText(page, '[role=alert]', 'That is not the token of this service.');
    await page.fill('#token', TOKEN);
    await page.getByRole('button', { name: 'Log in' }).click();
    await untilText(page, '#connection', 'live');
    expect(page.url()).toBe(`${url}/`);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' });
    expect(cookie?.value).not.toContain(TOKEN);

    const { port } = new URL(url);
    await service.looper.stop();
    await service.restarted({ LOOPER_PORT: port });
    await page.reload();
    await untilText(page, '#connection', 'live');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.waitForSelector('#token');
    await page.reload();
    expect(await page.title()).toBe('Log in to Looper');
  });

  test('who guesses the token is told to wait, and whoever knows it still comes in', async () => {
    const service = await startService({ env: { LOOPER_API_TOKEN: TOKEN } });
    const login = (token: string) =>
      fetch(`${service.looper.url}/login`, {
        method: 'POST',
        body: new URLSearchParams({ token }),
        redirect: 'manual',
      });
    let answer = await login('wrong');
    expect(answer.status).toBe(401);
    for (let guess = 0; guess < 30; guess += 1) answer = await login('wrong');
    expect(answer.status).toBe(429);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answer.text()).toContain('Too many wrong tokens');
    expect(await (await fetch(service.looper.url)).text()).toContain('action="/login"');
    expect((await login(TOKEN)).status).toBe(303);
  });

  test('pauses and resumes the autopoll, and lets a second start wait, by keyboard', async () => {
    const service = await startService({
      scenario: { steps: [{ do: 'hang' }] },
      env: (home) => ({
        LOOPER_AUTO_START_WHEN_IDLE: '1',
        LOOPER_WORKSPACE: join(home, 'workspace'),
      }),
    });
    await service.started();
    const { page, problems } = await openPage(service);
    await untilText(page, '#connection', 'live');
    await page.focus('#autopoll-button');
    await page.keyboard.press('Enter');
    await untilText(page, '#said', 'Autopoll is paused');
    await untilText(page, '#autopoll-button', 'Resume');
    expect((await service.looper.get('/autopoll')).body).toMatchObject({
      autopoll: { paused: true },
    });
    // The button was replaced, and has the focus still.
    await page.keyboard.press('Enter');
    await untilText(page, '#said', 'Autopoll goes on');
    await untilText(page, '#autopoll-button', 'Pause');

    await page.fill('#start-prompt', 'The next one');
    await page.focus('#start-message');
    await page.keyboard.press('Enter');
    await untilText(page, '#said', 'waits for its turn');
    await untilText(page, '#state', 'Another trigger waits behind it.');
    expect(problems).toEqual([]);
  });

  test('a link from another site leads to the dashboard, a form there logs nobody in', async () => {
    const service = await startService({ env: { LOOPER_API_TOKEN: TOKEN } });
    const { url } = service.looper;
    const { context, page } = await openPage(service);
    const foreign = (html: string) => page.goto(`data:text/html,${encodeURIComponent(html)}`);

    await foreign(
      `<form method="post" action="${url}/login"><input name="token" value="${TOKEN}"><button>Go</button></form>`,
    );
    await page.click('button');
    await untilText(page, 'body', 'are refused');
    expect(await context.cookies(url)).toEqual([]);

    await page.goto(url);
    await page.fill('#token', TOKEN);
    await page.getByRole('button', { name: 'Log in' }).click();
    await untilText(page, '#connection', 'live');
    await foreign(`<a href="${url}/">Go</a>`);
    await page.click('a');
    await untilText(page, '#connection', 'live');
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`can be used by everybody, ${colorScheme}, on a desk and on a phone`, async () => {
      const service = await startService({
        scenario: { turns: [...PAST, RICH] },
        env: (home) => ({
          LOOPER_COMMIT: 'off',
          LOOPER_AUTO_START_WHEN_IDLE: '1',
          LOOPER_WORKSPACE: join(home, 'workspace'),
        }),
      });
      for (const [number, [title, keys]] of TICKETS.entries()) {
        const name = `TICKET-${String(number + 1).padStart(3, '0')}.md`;
        writeTicket(service, name, { title, ...keys }, `# ${title}\n\nDo what the title says.`);
      }
      for (let past = 0; past < PAST.length; past += 1) {
        await service.looper.ended(await service.started());
      }
      await service.started({ codex_prompt: undefined });
      const { page, problems } = await openPage(service, { colorScheme });
      await untilText(page, '#log', 'Now the second half.');
      await untilText(page, '#tickets', 'active');
      await page.locator('.ticket summary').last().click();
      for (const [name, viewport] of [['desktop', DESKTOP] as const, ['phone', PHONE] as const]) {
        await page.setViewportSize(viewport);
        await takeScreenshot(page, `${name}-${colorScheme}`);
        expect(await seriousFindings(page)).toEqual([]);
        const isWider = 'document.documentElement.scrollWidth > innerWidth';
        expect(await page.evaluate(isWider)).toBe(false);
      }
      expect(problems).toEqual([]);
    });
  }
});
