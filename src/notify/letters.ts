import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, systemErrorCode } from '../errors.ts';
import { ANNOUNCEMENT_KINDS, type Announcement, type NotifyLog } from './index.ts';

/**
 * `waiting`: it has not left. `sending`: it has left, or was about to, and nobody said what came of
 * it. `sent`: done; the empty file says that nobody need hear of it again. `dead`: given up.
 */
const STATES = ['waiting', 'sending', 'sent', 'dead'] as const;
export type LetterState = (typeof STATES)[number];

/** One announcement for one channel. */
export interface Letter {
  readonly run: string;
  readonly event: string;
  readonly channel: string;
  readonly createdAt: number;
  /** Null once it is done. */
  announcement: (Announcement & { readonly at: string }) | null;
  state: LetterState;
  /** Where the disk had no room, it lives in memory and a restart forgets it. */
  isOnDisk: boolean;
}

export interface LetterFiles {
  /** Everything that an earlier daemon left, oldest first. */
  load(): Letter[];
  /** Writes a new letter; `isOnDisk` says whether that worked. */
  create(letter: Omit<Letter, 'isOnDisk'>): Letter;
  move(letter: Letter, to: LetterState): void;
  remove(letter: Letter): void;
  /** Removes the oldest of `letters` that are done or dead, down to what is kept. */
  prune(letters: readonly Letter[]): Letter[];
}

/** Far more than what can be announced again: the ends of a day, and one run's messages. */
const KEPT = { sent: 2000, dead: 500 };

const NAME =
  /^((?:auto)?[0-9a-f]{8}|none-[0-9a-f]{8})\.([\w-]{1,40})\.([A-Za-z0-9][\w-]{0,39})\.(waiting|sending|sent|dead)$/;

const announcementSchema = z.object({
  kind: z.enum(ANNOUNCEMENT_KINDS),
  event: z.string().optional(),
  text: z.string(),
  runId: z.string().nullable(),
  workspace: z.string().nullable().optional(),
  at: z.string(),
  facts: z.record(z.string(), z.unknown()).optional(),
});

/**
 * The letters as files `<run>.<event>.<channel>.<state>`: every change of state is one rename, which
 * is whole or not at all, and which works on a full disk. What cannot be written is logged and goes
 * on in memory.
 */
export function createLetterFiles(
  directory: string,
  log: NotifyLog,
  kept: Readonly<Partial<Record<LetterState, number>>> = KEPT,
): LetterFiles {
  const pathOf = ({ run, event, channel }: Letter, state: LetterState): string =>
    join(directory, `${run}.${event}.${channel}.${state}`);
  const tolerate = (what: string, write: () => void): boolean => {
    try {
      write();
      return true;
    } catch (error) {
      log.warn({ what, directory, error: messageOf(error) }, 'notify.outbox_unwritten');
      return false;
    }
  };

  const move = (letter: Letter, to: LetterState): void => {
    const from = letter.state;
    letter.state = to;
    if (to === 'sent') letter.announcement = null;
    if (!letter.isOnDisk || from === to) return;
    tolerate(`to ${to}`, () => {
      renameSync(pathOf(letter, from), pathOf(letter, to));
      if (to === 'sent') truncateSync(pathOf(letter, to));
    });
  };
  const remove = (letter: Letter): void => {
    if (!letter.isOnDisk) return;
    letter.isOnDisk = false;
    tolerate('removal', () => rmSync(pathOf(letter, letter.state), { force: true }));
  };

  return {
    load: () => {
      let letters: Letter[] = [];
      tolerate('load', () => {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        const names = readdirSync(directory);
        // Of a daemon that died while it wrote; its letter comes again from the run's own files.
        for (const name of names) if (name.endsWith('.tmp')) rmSync(join(directory, name));
        letters = readLetters(directory, names, log);
      });
      return letters;
    },
    create: (fields) => {
      const letter: Letter = { ...fields, isOnDisk: false };
      const path = pathOf(letter, letter.state);
      const text = letter.state === 'sent' ? '' : `${JSON.stringify(letter.announcement)}\n`;
      letter.isOnDisk = tolerate('letter', () => {
        try {
          writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
          renameSync(`${path}.tmp`, path);
        } catch (error) {
          rmSync(`${path}.tmp`, { force: true });
          throw error;
        }
      });
      return letter;
    },
    move,
    remove,
    prune: (letters) =>
      Object.entries(kept).flatMap(([state, count]) => {
        const those = letters.filter((letter) => letter.state === state);
        if (those.length <= count) return [];
        const dated = those.map((letter) => ({
          letter,
          at: modifiedAt(pathOf(letter, letter.state)),
        }));
        const gone = dated.sort((a, b) => a.at - b.at).slice(0, those.length - count);
        for (const { letter } of gone) remove(letter);
        return gone.map(({ letter }) => letter);
      }),
  };
}

/** Oldest first; those that were sent stand in front. */
function readLetters(directory: string, names: readonly string[], log: NotifyLog): Letter[] {
  const read = (name: string): Letter[] => {
    const [, run = '', event = '', channel = '', found = ''] = NAME.exec(name) ?? [];
    const state = STATES.find((one) => one === found);
    if (state === undefined) return [];
    const key = { run, event, channel, state, isOnDisk: true };
    if (state === 'sent') return [{ ...key, createdAt: 0, announcement: null }];
    const announcement = readAnnouncement(join(directory, name));
    if (announcement !== null) {
      return [{ ...key, createdAt: Date.parse(announcement.at), announcement }];
    }
    log.warn({ name, directory }, 'notify.letter_unreadable');
    return [];
  };
  return names.flatMap(read).sort((a, b) => a.createdAt - b.createdAt);
}

/** Null when it is none of ours, or cannot be read. */
function readAnnouncement(path: string): Letter['announcement'] {
  try {
    const { data } = announcementSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    return data === undefined || Number.isNaN(Date.parse(data.at)) ? null : data;
  } catch {
    return null;
  }
}

function modifiedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** What was given up, oldest first, from the files: no daemon is needed to look, and none disturbed. */
export function listDeadLetters(directory: string, log: NotifyLog): Letter[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
  return readLetters(
    directory,
    names.filter((name) => name.endsWith('.dead')),
    log,
  );
}
