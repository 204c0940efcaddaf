import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FILE_SECRETS, KNOWN_VARIABLES, SET_FOR_AGENTS } from '../../src/config/schema.ts';
import { API_ROUTES } from '../../src/http/api-routes.ts';
import { OUTCOMES } from '../../src/runs/record.ts';
import { runCli } from '../support/cli.ts';
import { CHECKS, PROSE } from '../support/doc-blocks.ts';
import { runPage } from '../support/doc-runs.ts';
import { anchorsOf, brokenLinks, codeOf, firstColumn, readPages } from '../support/docs.ts';
import type { TurnScenario } from '../support/fake-codex.ts';

const pages = readPages();
const readme = pages.find(({ name }) => name === 'README.md') ?? pages[0]!;

/** What a channel of the type `command` finds in its environment. */
const SET_FOR_COMMANDS = ['LOOPER_NOTIFY_KIND', 'LOOPER_NOTIFY_RUN'];

const asks: TurnScenario = {
  steps: [{ do: 'outbox', mode: 'pause', title: 'Which of the two?', text: 'a or b' }],
};
const finishes: TurnScenario = {
  steps: [{ do: 'write', path: 'parser.txt', text: 'ok\n' }, { do: 'ticket' }],
};
/** What the agent does, turn by turn, while the blocks of a page are executed. */
const AGENTS: Readonly<Record<string, readonly TurnScenario[]>> = {
  'README.md': [{}, asks, finishes],
  'docs/tickets.md': [finishes, { steps: [{ do: 'ticket' }] }],
  'docs/scaling.md': [{}],
};

describe('blocks', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'looper-docs-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(pages)('of $name are well-formed', ({ blocks }) => {
    const faults = blocks.flatMap((block) => {
      const { language, where, isTest } = block;
      const check = CHECKS[language];
      if (check === undefined) {
        return PROSE.includes(language) && !isTest ? [] : [`${where}: nobody checks "${language}"`];
      }
      try {
        const fault = check(block, join(folder, where.replaceAll(/\W/g, '-')));
        return fault === null ? [] : [`${where}: ${fault}`];
      } catch (error) {
        return [`${where}: ${String(error)}`];
      }
    });
    expect(faults).toEqual([]);
  });

  const executed = pages.filter(({ blocks }) =>
    blocks.some(({ language, isTest }) => language === 'sh' && isTest),
  );
  test.each(executed)(
    'of $name do what they show',
    async (page) => {
      expect(await runPage(page, AGENTS[page.name] ?? [])).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe('links', () => {
  test.each(pages)('of $name lead somewhere', (page) => {
    expect(brokenLinks(page)).toEqual([]);
  });

  test('are compared with the anchors that GitHub makes', () => {
    const text = '# The `POST /run` route\n## Limits\n```sh\n# no heading\n```\n## Limits\n';
    expect([...anchorsOf(text)]).toEqual(['the-post-run-route', 'limits', 'limits-1']);
  });
});

describe('names', () => {
  const settings = KNOWN_VARIABLES.filter((name) => !SET_FOR_AGENTS.includes(name));
  const known = new Set([...KNOWN_VARIABLES, ...SET_FOR_COMMANDS]);

  test.each(pages)('$name names only variables that exist', ({ text }) => {
    const named = text.matchAll(
      /(?<![\w.-])(?:LOOPER|ZULIP|CODEX_EXEC)[A-Z]*_[A-Z_]*[A-Z](?![\w*…])/g,
    );
    const unknown = [...named].map(([name]) => name).filter((name) => !known.has(name));
    expect(unknown).toEqual([]);
  });

  test('the README names every variable', () => {
    const files = new Set(FILE_SECRETS.map((name) => `${name}_FILE`));
    const code = new Set(codeOf(readme));
    // `…_FILE` behind its variable is enough.
    expect(settings.filter((name) => !code.has(name) && !files.has(name))).toEqual([]);
    expect(code.has('…_FILE') || [...files].every((name) => code.has(name))).toBe(true);
  });

  test('the README lists the outcomes of a run, and no other', () => {
    const listed = firstColumn(readme, 'How a run ends, and what you do next');
    expect(listed.map((cell) => cell.replaceAll('`', '')).sort()).toEqual([...OUTCOMES].sort());
  });

  test('the README lists the routes of the API, and no other', () => {
    const listed = firstColumn(readme, 'HTTP API').flatMap(routesIn);
    const described = API_ROUTES.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(listed.filter((route) => !described.includes(route))).toEqual([]);
    const unlisted = described.filter((route) => !listed.includes(route));
    expect(unlisted.filter((route) => !OF_THE_DASHBOARD.has(route))).toEqual([]);
  });

  // `sudo -iu looper …` is a person, not the command.
  test('every command that a page names exists', async () => {
    const verbs = await verbsOf();
    const below = new Map<string, readonly string[]>();
    for (const verb of ['tickets', 'notify', 'hooks', 'autopoll', 'init'])
      below.set(verb, await verbsOf(verb));
    const faults = pages.flatMap((page) =>
      codeOf(page).flatMap((code) =>
        [...code.matchAll(/(?<![\w./-]|-\w+ )looper ([a-z]+)(?: ([a-z]+))?/g)]
          .filter(([, verb = '', next]) => {
            const known = below.get(verb);
            if (!verbs.includes(verb)) return true;
            return known !== undefined && next !== undefined && !known.includes(next);
          })
          .map(([found]) => `${page.name}: ${found.trim()}`),
      ),
    );
    expect(faults).toEqual([]);
  });
});

/** Its page uses them; programs have no reason to. */
const OF_THE_DASHBOARD = new Set([
  'GET /',
  'POST /login',
  'POST /logout',
  'GET /assets/{folder}/{file}',
  'GET /tickets/{file}',
]);

/** `GET /a?x=`, `POST /a/pause`, `…/resume` in one cell, as the API names them. */
function routesIn(cell: string): string[] {
  let method = '';
  let folder = '';
  return [...cell.matchAll(/`(?:(GET|POST) )?([/…][^`?]*)[^`]*`/g)].map(([, given, path = '']) => {
    method = given ?? method;
    const whole = path.startsWith('…') ? folder + path.slice(1) : path;
    folder = whole.slice(0, whole.lastIndexOf('/'));
    return `${method} ${whole.replaceAll(/:(\w+)/g, '{$1}')}`;
  });
}

/** What `looper --help` or `looper <verb> --help` lists. */
async function verbsOf(verb?: string): Promise<string[]> {
  const args = verb === undefined ? ['--help'] : [verb, '--help'];
  const { stdout } = await runCli(args, { home: tmpdir() });
  const choices = /choices: ([^)]*)\)/.exec(stdout)?.[1]?.match(/[a-z]+/g) ?? [];
  const [, list = ''] = stdout.split(/^Commands:$/m);
  const verbs = [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
  return [...verbs, ...choices];
}
