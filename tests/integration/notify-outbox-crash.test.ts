/** kill -9 between every two changes that the outbox makes to the disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const fixture = fileURLToPath(new URL('../fixtures/outbox-crash.mjs', import.meta.url));

function place() {
  const home = tempDir();
  const delivered = join(home, 'delivered');
  const directory = join(home, 'outbox');
  return {
    directory,
    run: async (crashAt = '') => {
      const child = spawn(process.execPath, [fixture, directory, delivered], {
        env: { PATH: process.env['PATH'], CRASH_AT: crashAt },
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 20_000,
        killSignal: 'SIGTERM',
      });
      const [stdout, [code, signal]] = await Promise.all([
        text(child.stdout),
        once(child, 'exit') as Promise<[number | null, string | null]>,
      ]);
      return { stdout, ended: code ?? signal };
    },
    delivered: () =>
      existsSync(delivered) ? readFileSync(delivered, 'utf8').split('\n').filter(Boolean) : [],
  };
}

const ID = 'looper_0a1b2c3d_end';
const ONCE = [`a ${ID} it ended`, `b ${ID} it ended`];
const REPEATED = new Set([`a ${ID} (repeated) it ended`, `b ${ID} (repeated) it ended`]);

const DONE = ['0a1b2c3d.end.a.sent', '0a1b2c3d.end.b.sent'];

test('without a crash it is sent once, and a restart sends nothing', async () => {
  const { run, delivered, directory } = place();
  expect((await run()).ended).toBe(0);
  expect((await run()).ended).toBe(0);
  expect(delivered().sort()).toEqual(ONCE);
  expect(readdirSync(directory).sort()).toEqual(DONE);
});

test('killed before any change, it is heard by everybody, and twice only when it says so', async () => {
  const changes = Number((await place().run()).stdout);
  // The directory, and for each of two letters: written, in place, under way, done, emptied.
  expect(changes).toBe(11);
  const rounds = Array.from({ length: changes }, (_, index) => ({ at: index + 1, ...place() }));
  await Promise.all(
    rounds.map(async ({ at, run, delivered, directory }) => {
      expect((await run(String(at))).ended).toBe('SIGKILL');
      expect((await run()).ended).toBe(0);

      const lines = delivered();
      const plain = lines.filter((line) => !REPEATED.has(line));
      expect(new Set(plain).size).toBe(plain.length);
      for (const line of ONCE) {
        const heard = [line, line.replace('it ended', '(repeated) it ended')];
        expect(
          heard.some((one) => lines.includes(one)),
          `killed at ${at}: ${line}`,
        ).toBe(true);
      }
      expect(readdirSync(directory).sort()).toEqual(DONE);
    }),
  );
});

test('killed between the answer and the mark, it is sent again and says so', async () => {
  const { run, delivered } = place();
  expect((await run('channel')).ended).toBe('SIGKILL');
  expect(delivered()).toHaveLength(1);
  expect((await run()).ended).toBe(0);
  expect((await run()).ended).toBe(0);
  const [first = '', ...rest] = delivered();
  const channel = first.slice(0, 1);
  expect(first).toBe(`${channel} ${ID} it ended`);
  expect(rest).toContain(`${channel} ${ID} (repeated) it ended`);
  expect(delivered()).toHaveLength(3);
});
