import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeCarPack } from '../support/car-pack.ts';
import { run, sharedLooper, workspace } from '../support/ticket-runs.ts';

const TICKETS = 50;
const looper = sharedLooper();

test("a pack of CAR's runs as it is: 50 tickets, one after the other, by number", async () => {
  const work = workspace({
    tickets: {},
    turns: [{ steps: [{ do: 'ticket' }] }],
    git: false,
    files: { 'docs/spec.md': '# Spec\n' },
  });
  const directory = join(work.path, '.codex-autorunner', 'tickets');
  mkdirSync(directory, { recursive: true });
  const numbers = writeCarPack(directory, TICKETS, { gates: false });

  const record = await run(looper(), work);
  expect(record).toMatchObject({
    outcome: 'succeeded',
    summary: { turns: TICKETS, tickets_left: 0 },
  });
  const worked = record.turns.map(({ ticket }) => Number(/ticket-(\d+)/i.exec(ticket ?? '')?.[1]));
  expect(worked).toEqual(numbers);
  const texts = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'));
  // Nothing but the flag has changed: the words in the body stand as they did.
  expect(texts.every((text) => /^done: true\r?$/m.test(text))).toBe(true);
  expect(texts.every((text) => text.includes('done: false in the text'))).toBe(true);
}, 60_000);
