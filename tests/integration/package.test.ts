import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { install, listTarball, pack } from '../support/installed-package.ts';
import { startLooper } from '../support/looper.ts';
import { tempDir } from '../support/temp-dir.ts';

const { name: packageName, version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { readonly name: string; readonly version: string };
/** With all that it needs at run time. */
const MOST_BYTES = 700_000;
const DEADLINE_MS = 25_000;
const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));

/** What is installed, and the folder that it is in. */
let folder = '';
let tarball = '';
let looper = '';

beforeAll(() => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'looper-package-')));
  folder = join(root, 'installed');
  mkdirSync(folder);
  tarball = pack(root);
  looper = install(tarball, folder);
}, 90_000);

afterAll(() => {
  rmSync(join(folder, '..'), { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
});

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(looper, args, {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
    encoding: 'utf8',
    timeout: DEADLINE_MS,
  });
  return { status, stdout, stderr };
}

describe('the package', () => {
  it('holds the command, its pages and nothing that only we need', () => {
    const files = listTarball(tarball);
    expect(files).toEqual(
      expect.arrayContaining([
        'dist/cli.js',
        'dist/runner.js',
        'dist/demo/scripted-agent.js',
        'dist/dashboard-client/main.js',
        'dist/LICENSES.txt',
        'build/types.d.ts',
        'package.json',
        'README.md',
        'LICENSE',
        'CHANGELOG.md',
        'SECURITY.md',
        'docs/triggers.md',
      ]),
    );
    expect(files.filter((file) => /^(src|tests|bench|scripts|logs)\/|^\./.test(file))).toEqual([]);
    expect(statSync(tarball).size).toBeLessThan(MOST_BYTES);
  });

  it('needs no other package', () => {
    const installed = readdirSync(join(folder, 'node_modules'));
    expect(installed.filter((name) => !name.startsWith('.'))).toEqual([packageName.split('/')[0]]);
  });

  it('says its version and shows the demo', () => {
    expect(run(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
    const temporary = tempDir();
    const { status, stdout } = run(['demo'], { TMPDIR: temporary });
    expect(stdout).toMatch(/^succeeded · run/m);
    expect(status).toBe(0);
  });

  it('serves, and keeps its logs in the state directory of the user', async () => {
    const home = tempDir();
    const workspace = join(home, 'workspace');
    mkdirSync(workspace);
    const state = join(home, 'state');
    const env = { LOOPER_LOG_DIR: '', XDG_STATE_HOME: state };
    await using service = await startLooper({ home, env, cli: looper });
    expect((await service.get('/health')).body).toMatchObject({
      ok: true,
      version,
    });
    const page = await fetch(`${service.url}/assets/dashboard-client/main.js`);
    expect(page.status).toBe(200);

    const body = { zulip_message: 'go', codex_prompt: 'Do it', workspace };
    const answer = await service.post('/run', body);
    expect(answer.status).toBe(200);
    const record = await service.ended(String(answer.body['run_id']));
    expect(record.outcome).toBe('succeeded');
    expect(record.log_path.startsWith(join(state, 'looper', 'logs'))).toBe(true);
  });

  it('has types for those who read records and events', () => {
    const program = `import type { ErrorCode, Outcome, RunEvent, RunRecord } from '${packageName}';
export const isDone = (run: RunRecord): boolean => run.status === 'finished';
export const outcome: Outcome = 'succeeded';
export const code: ErrorCode = 'NOTHING_TO_RUN';
export const nameOf = (event: RunEvent): string => event.type;
// @ts-expect-error no such outcome
export const wrong: Outcome = 'perhaps';
`;
    const path = join(folder, 'user.mts');
    writeFileSync(path, program);
    const flags = ['--strict', '--noEmit', '--module', 'nodenext', '--types', '', path];
    const { stdout, status } = spawnSync(process.execPath, [compiler, ...flags], {
      cwd: folder,
      encoding: 'utf8',
      timeout: DEADLINE_MS,
    });
    expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
  });
});
