/** GitHub's published payload examples, signed, against a daemon with five hooks. */
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { readCalls, writeScenario } from '../support/fake-codex.ts';
import { newWorkspace, signed, SECRET, writeConfigFile } from '../support/hooks.ts';
import { startService } from '../support/service.ts';
import { waitFor } from '../support/wait-for.ts';

interface Example {
  readonly event: string;
  readonly body: string;
  readonly payload: Record<string, never>;
}

/** The package's types call its array a default export, which it has not. */
const definitions = createRequire(import.meta.url)('@octokit/webhooks-examples') as {
  readonly name: string;
  readonly examples: readonly Record<string, never>[];
}[];

/** Some of the examples are the same: the second one of them would be a repeated delivery. */
const examples: Example[] = [
  ...new Map(
    definitions
      .flatMap(({ name, examples }) =>
        examples.map((payload) => ({ event: name, body: JSON.stringify(payload), payload })),
      )
      .map((example) => [example.event + example.body, example] as const),
  ).values(),
];

/** By hook: which examples it is meant for, said a second time and in another language. */
const MEANT: Readonly<Record<string, (example: Example) => boolean>> = {
  labelled: ({ event, payload }) =>
    event === 'issues' && payload['action'] === 'labeled' && payload['label']?.['name'] === 'bug',
  master: ({ event, payload }) => event === 'push' && payload['ref'] === 'refs/heads/master',
  releases: ({ event, payload }) =>
    event === 'release' && ['published', 'released'].includes(payload['action'] ?? ''),
  drafts: ({ event, payload }) =>
    event === 'pull_request' && (payload['pull_request']?.['draft'] as unknown) === true,
  strangers: () => false,
};

const config = (workspace: string) => `
hooks:
  - name: labelled
    verify: { type: github, secret_file: github.secret }
    when: { headers: { X-GitHub-Event: issues }, payload: { action: labeled, label.name: bug } }
    senders: [codertocat, hubot]
    message: "Issue {{issue.number}}: {{issue.title}}"
    prompt: "Work on {{issue.html_url}}: {{issue.title}} ({{issue.labels.name}})"
    workspace: ${workspace}
  - name: master
    verify: { type: github, secret_env: GITHUB_HOOK_SECRET }
    when: { headers: { x-github-event: push }, payload: { ref: refs/heads/master } }
    message: "{{pusher.name}} has pushed {{commits.0.id}}"
    prompt: ""
  - name: releases
    verify: { type: github, secret_file: github.secret }
    when: { headers: { x-github-event: release }, payload: { action: [published, released] } }
    message: "Release {{release.tag_name}}"
    prompt: ""
  - name: drafts
    verify: { type: github, secret_file: github.secret }
    when: { headers: { x-github-event: pull_request }, payload: { pull_request.draft: true } }
    message: "Draft {{number}}"
    prompt: ""
  - name: strangers
    verify: { type: github, secret_file: github.secret }
    senders: [somebody-else]
    message: "{{action}}"
    prompt: ""
`;

test('each of five hooks fires or not as the file says; altered 401, replayed 409 (row 73)', async () => {
  const workspace = newWorkspace();
  const scenarioPath = writeScenario(workspace, { message: 'Done.' });
  const { looper } = await startService({
    env: {
      LOOPER_CONFIG_FILE: writeConfigFile(config(workspace), { 'github.secret': SECRET }),
      GITHUB_HOOK_SECRET: SECRET,
    },
  });
  const send = (hook: string, body: string, headers: Record<string, string>) =>
    fetch(`${looper.url}/hooks/${hook}`, { method: 'POST', body, headers });

  for (const [hook, isMeant] of Object.entries(MEANT)) {
    const fired = examples.filter((example) => isMeant(example));
    // Every kind of event is sent to every hook, and all of those of the kinds that it looks at.
    const kinds = new Set(fired.map(({ event }) => event));
    const others = examples.filter(
      ({ event }, i) => kinds.has(event) || examples.findIndex((e) => e.event === event) === i,
    );
    const ids = new Map<Example, string>();
    for (const [i, example] of others.entries()) {
      const id = `${hook}-${i}`;
      ids.set(example, id);
      const headers = signed.github(example.body, example.event, id);
      const answer = await send(hook, example.body, headers);
      const said = await answer.json();
      expect(`${answer.status} ${example.event} ${JSON.stringify(said)}`).toMatch(
        isMeant(example) ? /^202 .*"fired":true/ : /^200 .*"fired":false,"reason":"\S/,
      );
    }
    expect(fired.length > 0).toBe(hook !== 'strangers');
    for (const example of fired.slice(0, 3)) {
      const id = ids.get(example) ?? '';
      const headers = signed.github(example.body, example.event, id);
      const altered = example.body.replace('"id":', '"id" :');
      expect((await send(hook, altered, headers)).status).toBe(401);
      const { 'X-Hub-Signature-256': _signature, ...unsigned } = headers;
      expect((await send(hook, example.body, unsigned)).status).toBe(401);
      const forged = signed.github(example.body, example.event, id, `${SECRET}!`);
      expect((await send(hook, example.body, forged)).status).toBe(401);
      expect((await send(hook, example.body, headers)).status).toBe(409);
      // Who has seen a request may choose another id for it, which is not signed.
      const renamed = { ...headers, 'X-GitHub-Delivery': 'another-id' };
      expect((await send(hook, example.body, renamed)).status).toBe(409);
    }
  }

  // What the first hook starts is a run like any other, with the payload's words in its prompt.
  const [record] = await waitFor('the run of the hook', async () => {
    const { body } = await looper.get('/runs');
    const runs = body['runs'] as { run_id: string; trigger: string; workspace: string }[];
    return runs.length > 0 ? runs : null;
  });
  expect(record).toMatchObject({ trigger: 'hook:labelled', workspace });
  await looper.ended(record?.run_id ?? '');
  expect(readCalls(scenarioPath)[0]?.prompt).toContain(
    'Work on https://github.com/Codertocat/Hello-World/issues/1: Spelling error in the README file (bug)',
  );
  // Neither the secrets nor the names of their variables reach the agent.
  expect(JSON.stringify(readCalls(scenarioPath))).not.toContain(SECRET);
  expect(readCalls(scenarioPath)[0]?.env).not.toHaveProperty('GITHUB_HOOK_SECRET');
});
