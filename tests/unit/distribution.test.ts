import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { KNOWN_VARIABLES } from '../../src/config/schema.ts';

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name: string): string => readFileSync(path(name), 'utf8');

const manifest = JSON.parse(read('package.json')) as {
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
};

describe('the workflow', () => {
  const workflow = parse(read('.github/workflows/ci.yml')) as {
    readonly permissions: unknown;
    readonly concurrency: unknown;
    readonly jobs: Readonly<Record<string, Job>>;
  };
  interface Job {
    readonly 'timeout-minutes': number;
    readonly strategy: { readonly matrix: { readonly os: string[]; readonly node: number[] } };
    readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
  }
  const jobs = Object.values(workflow.jobs);

  it('runs the test command of the README, and nothing else of ours', () => {
    const commands = jobs.flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    // What needs root prepares the machine.
    expect(commands.filter((command) => !command.startsWith('sudo '))).toEqual(['npm test']);
    expect(read('README.md')).toMatch(/^npm test/m);
    expect(manifest.scripts).toHaveProperty('test');
  });

  it('does so on every supported Node, on Linux and macOS', () => {
    const supported = [...manifest.engines.node.matchAll(/(?:\^|>=)(\d+)\./g)].map(([, major]) =>
      Number(major),
    );
    expect(jobs.map(({ strategy }) => strategy.matrix)).toEqual([
      { os: ['ubuntu-latest', 'macos-latest'], node: supported },
    ]);
  });

  it('may do little, and not for ever', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    expect(workflow.concurrency).toMatchObject({ 'cancel-in-progress': true });
    for (const job of jobs) expect(job['timeout-minutes']).toBeLessThanOrEqual(60);
    const actions = jobs.flatMap(({ steps }) => steps.flatMap(({ uses }) => uses ?? []));
    expect(actions.filter((action) => !/^actions\/[\w-]+@v\d+$/.test(action))).toEqual([]);
  });
});

describe('the Dockerfile', () => {
  // One instruction a line, comments left out.
  const lines = read('Dockerfile')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '');
  const of = (instruction: string): string[] =>
    lines.flatMap((line) =>
      line.startsWith(`${instruction} `) ? [line.slice(instruction.length + 1)] : [],
    );
  const sources = of('COPY')
    .filter((words) => !words.startsWith('--from='))
    .flatMap((words) => words.split(' ').slice(0, -1));

  it('copies what is there, and .dockerignore lets exactly that through', () => {
    expect(sources.filter((source) => !existsSync(path(source)))).toEqual([]);
    const ignore = read('.dockerignore')
      .split('\n')
      .filter((line) => /^[^#]/.test(line));
    expect(ignore).toEqual(['*', ...sources.map((source) => `!${source}`)]);
  });

  it('copies all that the build reads', () => {
    const built = read('scripts/build.mjs') + read('scripts/setup.mjs');
    const named = [...built.matchAll(/'(tsconfig[\w.]*json|package-lock\.json|src)'/g)];
    const wanted = named.map(([, name]) => name ?? '');
    expect(wanted.length).toBeGreaterThan(2);
    expect(sources).toEqual(expect.arrayContaining([...wanted, 'tsconfig.json', 'scripts']));
    for (const [, script] of read('Dockerfile').matchAll(/node (scripts\/\S+)/g)) {
      expect(existsSync(path(script ?? ''))).toBe(true);
    }
  });

  it('takes from the build what the command needs', () => {
    const taken = of('COPY').flatMap(
      (words) => /^--from=build \/build\/(\S+)/.exec(words)?.[1] ?? [],
    );
    expect(taken.sort()).toEqual(['dist', 'package.json']);
    expect(read('Dockerfile')).toContain(`ln -s /opt/looper/${manifest.bin['looper']} `);
  });

  it('serves as nobody special, below an init, with settings that exist', () => {
    expect(of('USER')).toEqual(['node']);
    expect(of('ENTRYPOINT').map((words) => JSON.parse(words) as unknown)).toEqual([
      ['tini', '--', 'looper'],
    ]);
    expect(of('CMD').map((words) => JSON.parse(words) as unknown)).toEqual([['serve']]);
    const names = of('ENV').flatMap((words) => words.split(' ').map((word) => word.split('=')[0]));
    expect(names.filter((name) => !KNOWN_VARIABLES.includes(name ?? ''))).toEqual([]);
    for (const tool of ['git', 'procps', 'tini']) {
      expect(of('RUN').join()).toMatch(new RegExp(`apt-get install [^&]*\\b${tool}\\b`));
    }
  });

  it('installs the codex that the end-to-end tests ran against', () => {
    const tested = /VERSION = '([\d.]+)'/.exec(read('scripts/install-codex.mjs'))?.[1];
    expect(of('ARG')).toContain(`CODEX_VERSION=${tested}`);
  });
});

describe('the changelog', () => {
  it('knows this version', () => {
    expect(read('CHANGELOG.md')).toContain(`\n## [${manifest.version}]`);
  });
});
