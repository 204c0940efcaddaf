import { createRunLogReader, type LogLine } from '../render/run-log.ts';
import type { LogItem } from '../render/items.ts';
import { elementOf, noticeOf } from './log-item.ts';
import { followStream, type StreamEvent } from './stream.ts';

/** More would make a phone slow; the raw log has all of it. */
const MAX_ITEMS = 1500;
const AT_END_PX = 32;
const TURN_LINE = /^# turn=\d/;
const SETTLE_MS = 150;
const CAUGHT_UP_MS = 300;

/** The log of one run, live. */
export interface LogView {
  show(runId: string, from: number): void;
  /** Leaves the stream; `resume` goes on where it was. */
  pause(): void;
  resume(): void;
}

export function createLogView(frame: HTMLElement, newest: HTMLElement, note: HTMLElement): LogView {
  let isFollowing = true;
  let current = { runId: '', lastId: '', isOver: true };
  let leave = new AbortController();
  let reading = Promise.resolve();
  let take = (_events: readonly StreamEvent[]): void | Promise<void> => undefined;

  const setFollowing = (value: boolean): void => {
    isFollowing = value;
    newest.hidden = value;
    if (value) frame.scrollTop = frame.scrollHeight;
  };
  frame.addEventListener('scroll', () => {
    const isAtEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < AT_END_PX;
    if (isAtEnd !== isFollowing) setFollowing(isAtEnd);
  });
  // A phone that is turned, or a keyboard that opens, is nobody's wish to stop following.
  new ResizeObserver(() => setFollowing(isFollowing)).observe(frame);
  newest.addEventListener('click', () => {
    setFollowing(true);
    frame.focus();
  });

  const connect = (): void => {
    const of = current;
    if (of.runId === '' || of.isOver) return;
    leave.abort();
    leave = new AbortController();
    const { signal } = leave;
    // One after the other: what the last one was still showing counts for where the next begins.
    reading = reading.then(() =>
      followStream(`/runs/${of.runId}/events`, {
        from: of.lastId,
        signal,
        onEvents: async (events) => {
          await take(events);
          of.lastId = events.at(-1)?.id ?? of.lastId;
          of.isOver ||= events.some(({ event }) => event === 'end');
        },
      }),
    );
  };

  return {
    show: (runId, from) => {
      if (runId === current.runId) return;
      leave.abort();
      current = { runId, lastId: `${from}-0`, isOver: false };
      frame.replaceChildren();
      take = createSink(frame, runId, () => {
        if (isFollowing) frame.scrollTop = frame.scrollHeight;
      });
      showNote(note, runId, from);
      setFollowing(true);
      connect();
    },
    pause: () => leave.abort(),
    resume: connect,
  };
}

/** Puts the events of one run into the frame. */
function createSink(
  frame: HTMLElement,
  runId: string,
  afterwards: () => void,
): (events: readonly StreamEvent[]) => Promise<void> {
  let starts = new Set<number>();
  const reader = createRunLogReader((offset) => starts.has(offset));
  const byKey = new Map<number, HTMLElement>();
  const openedAt = Date.now();
  /**
   * What was told before the page was opened comes ahead of the log that surrounded it: it is shown
   * behind, once the log has caught up.
   */
  let held: HTMLElement[] = [];
  let timer = 0;
  const showHeld = (): void => {
    frame.append(...held);
    held = [];
    afterwards();
  };

  const put = (items: readonly LogItem[]): void => {
    for (const item of items) {
      const element = elementOf(item);
      const known = byKey.get(item.key);
      if (element === null) continue;
      byKey.set(item.key, element);
      if (known?.isConnected) known.replaceWith(element);
      else frame.append(element);
    }
  };

  return async (events) => {
    for (const event of events) {
      if (event.event !== 'log') {
        const notice = noticeOf(event);
        const isOld = Date.parse(String(event.data['at'])) < openedAt;
        if (notice !== null && isOld) held.push(notice);
        else if (notice !== null) frame.append(notice);
        if (event.event === 'end') put(reader.end());
        continue;
      }
      const line = event.data as unknown as LogLine;
      // An agent can print a line that looks like Looper's, but not write into the record.
      const behind = Number(event.id.split('-')[0]);
      if (TURN_LINE.test(line.text) && !starts.has(behind)) {
        starts = await readStarts(runId);
        if (!starts.has(behind)) {
          // Looper writes the line first, then the record.
          await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
          starts = await readStarts(runId);
        }
      }
      put(reader.push(line));
    }
    clearTimeout(timer);
    if (held.length > 0) timer = window.setTimeout(showHeld, CAUGHT_UP_MS);
    while (frame.childElementCount > MAX_ITEMS) frame.firstElementChild?.remove();
    if (byKey.size > 2 * MAX_ITEMS) {
      for (const [key, element] of byKey) if (!element.isConnected) byKey.delete(key);
    }
    afterwards();
  };
}

async function readStarts(runId: string): Promise<Set<number>> {
  const response = await fetch(`/runs/${runId}`);
  if (!response.ok) return new Set();
  const { run } = (await response.json()) as { run: { turns: { log_start: number }[] } };
  return new Set(run.turns.map(({ log_start }) => log_start));
}

function showNote(note: HTMLElement, runId: string, from: number): void {
  const link = document.createElement('a');
  link.href = `/runs/${runId}/log`;
  link.textContent = 'raw log';
  note.replaceChildren(
    from > 0 ? 'The last part of the log; all of it is in the ' : 'All of it, as it is: the ',
    link,
    '.',
  );
}
