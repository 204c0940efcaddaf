import { expect, test } from 'vitest';
import { isSameTicket, repliesFor, withShown } from '../../src/runner/known-replies.ts';
import type { KnownReply } from '../../src/runner/order.ts';

const reply = (more: Partial<KnownReply> = {}): KnownReply => ({
  name: '0123abcd/0001.md',
  ticket: 'TICKET-001-one.md',
  text: 'B',
  shownIn: [],
  ...more,
});
const turn = (ticket: string, thread_id: string | null) => ({
  ticket: `.looper/tickets/${ticket}`,
  thread_id,
  replies: ['0123abcd/0001.md'],
});

test('a thread is shown an answer once, a fresh thread again', () => {
  const before = [reply()];
  expect(repliesFor(before, 'TICKET-001-one.md', 'thread-a')).toEqual(before);
  const after = withShown(before, turn('TICKET-001-one.md', 'thread-a'));
  expect(repliesFor(after, 'TICKET-001-one.md', 'thread-a')).toEqual([]);
  expect(repliesFor(after, 'TICKET-001-one.md', 'thread-b')).toHaveLength(1);
  expect(repliesFor(after, 'TICKET-001-one.md', null)).toHaveLength(1);
});

test('an answer follows its ticket to another name, and goes to no other ticket', () => {
  expect(repliesFor([reply()], 'TICKET-001-renamed.md', null)).toHaveLength(1);
  expect(repliesFor([reply()], 'TICKET-002.md', null)).toEqual([]);
  expect(isSameTicket('notes.md', 'other.md')).toBe(false);
});

test('a gate’s answer is for whichever ticket works next, and then that ticket’s', () => {
  const gate = [reply({ ticket: null })];
  expect(repliesFor(gate, 'TICKET-007.md', null)).toHaveLength(1);
  const after = withShown(gate, turn('TICKET-007.md', 'thread-a'));
  expect(repliesFor(after, 'TICKET-008.md', null)).toEqual([]);
  expect(repliesFor(after, 'TICKET-007.md', 'thread-b')).toHaveLength(1);
});

test('a turn whose thread nobody knows has shown nothing', () => {
  expect(withShown([reply()], turn('TICKET-001-one.md', null))).toEqual([reply()]);
});
