import { lstatSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { LooperError, systemErrorCode } from '../errors.ts';
import { MESSAGE, readAttachments } from './attachments.ts';
import { identityOf, readRegularFile } from './files.ts';
import { openFolder } from './folder.ts';
import { archiveMessage, listArchived } from './message-archive.ts';
import type { Message, Sources } from './message-archive.ts';
import { isClosedMessage, parseMessage } from './message.ts';
import { printable } from './text.ts';

export const MAX_MESSAGE_BYTES = 64 * 1024;
export const MAX_MESSAGES = 200;
/** A message written in place, not renamed, counts as finished when nobody wrote for so long. */
export const SETTLE_MS = 2000;

/** The agent's next message cannot replace the one that is being taken. */
const CLAIMED = '.MESSAGE.taking.md';

export interface TakeMessageOptions {
  readonly workspace: string;
  readonly runId: string;
  /** `<base>.messages` */
  readonly archiveDirectory: string;
  /** Nobody writes any more: what is there is all there will be. */
  readonly isAgentGone: boolean;
  /** Wall clock, milliseconds: file times are compared with it. */
  readonly now?: () => number;
}

export type TakenMessage =
  | { readonly kind: 'none' }
  /** There is one, but it may still be being written: look again. */
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'taken'; readonly message: Message }
  /** Something is in the way that the agent or a person has to remove. */
  | { readonly kind: 'refused'; readonly why: string };

/** Where the agent writes, relative to the workspace. */
export function outboxPath(runId: string): string {
  return outboxNames(runId).join('/');
}

/** Makes the outbox of a run before its first turn. Returns why not, where it cannot be made. */
export function prepareOutbox(workspace: string, runId: string): string | null {
  const folder = openFolder(workspace, outboxNames(runId), { create: true });
  if (folder.kind === 'open') folder.close();
  return folder.kind === 'refused' ? folder.why : null;
}

/** Removes the outbox of a run that ended, unless something was left in it. */
export function removeOutbox(workspace: string, runId: string): void {
  const names = outboxNames(runId);
  const parent = openFolder(workspace, names.slice(0, -1));
  if (parent.kind !== 'open') return;
  try {
    rmdirSync(`${parent.path}/${names.at(-1) ?? ''}`);
  } catch (error) {
    const code = systemErrorCode(error) ?? '';
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EACCES', 'EPERM'].includes(code))
      throw error;
  } finally {
    parent.close();
  }
}

/**
 * Moves the agent's message, with what lies beside it, from the outbox into the archive and returns
 * it; call it while the agent runs and once after it ended, one call at a time per run. A crash at
 * any point loses no message and archives none twice:
 *
 * 1. MESSAGE.md is renamed to a name of ours;
 * 2. it is copied into the archive, where a rename makes it appear whole;
 * 3. what was copied is removed here, the message last.
 *
 * Found again under our name, it is archived, or only removed when the archive already holds that
 * very file. A message that was archived but not handled before a crash is in `listMessages`: say
 * what was handled in the record, by number. A full disk rises as a system error; the message stays.
 */
export async function takeMessage(options: TakeMessageOptions): Promise<TakenMessage> {
  const folder = openFolder(options.workspace, outboxNames(options.runId));
  if (folder.kind === 'absent') return { kind: 'none' };
  if (folder.kind === 'refused') return { kind: 'refused', why: `outbox: ${folder.why}` };
  try {
    return await takeFrom(folder.path, options);
  } catch (error) {
    const code = systemErrorCode(error);
    // The agent owns the folder and may have closed it.
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    return { kind: 'refused', why: `the message cannot be moved out of the outbox (${code})` };
  } finally {
    folder.close();
  }
}

async function takeFrom(path: string, options: TakeMessageOptions): Promise<TakenMessage> {
  const { archiveDirectory, isAgentGone, now = Date.now } = options;
  const claimed = readState(`${path}/${CLAIMED}`);
  const isOurs = claimed.kind !== 'gone';
  const name = isOurs ? CLAIMED : MESSAGE;
  const found = isOurs ? claimed : readState(`${path}/${MESSAGE}`);
  if (found.kind === 'gone') return { kind: 'none' };
  if (found.kind === 'refused') return { kind: 'refused', why: `${name} is ${found.why}` };

  const archived = listArchived(archiveDirectory);
  const earlier = archived.find(({ sources }) => sources[MESSAGE] === found.state);
  if (isOurs && earlier !== undefined) {
    // The crash came between the archive and the removal.
    removeSources(path, earlier.sources);
    return await takeFrom(path, options);
  }
  if (isAgentGone && found.text.trim() === '') return { kind: 'refused', why: `${name} is empty` };
  const isSettled = now() - found.modifiedMs >= SETTLE_MS && isClosedMessage(found.text);
  if (!isAgentGone && !isSettled) return { kind: 'unfinished' };
  if (archived.length >= MAX_MESSAGES) {
    return { kind: 'refused', why: `${MAX_MESSAGES} messages were already taken from this run` };
  }
  if (!isOurs) {
    try {
      renameSync(`${path}/${MESSAGE}`, `${path}/${CLAIMED}`);
    } catch (error) {
      // The agent took it back.
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
    // Whatever the rename caught is judged from the start: it may be newer than what was read.
    return await takeFrom(path, options);
  }

  const attachments = readAttachments(path, archived);
  const { mode, title, body, warnings } = parseMessage(found.text);
  const cut = found.isTruncated ? [`The message was cut at ${MAX_MESSAGE_BYTES} bytes.`] : [];
  const sources: Sources = Object.fromEntries([
    ...attachments.files.map((file) => [file.name, file.state] as const),
    [MESSAGE, found.state] as const,
  ]);
  const message = await archiveMessage(archiveDirectory, {
    message: {
      mode,
      title,
      text: body,
      warnings: [...warnings, ...cut, ...attachments.warnings],
      taken_at: new Date(now()).toISOString(),
    },
    sources,
    raw: found.bytes,
    attachments: attachments.files,
  });
  try {
    removeSources(path, sources);
  } catch (error) {
    // It is taken all the same; the next look removes it or says why that is not possible.
    if (systemErrorCode(error) === undefined) throw error;
  }
  return { kind: 'taken', message };
}

type MessageState =
  | {
      readonly kind: 'read';
      readonly bytes: Buffer;
      readonly text: string;
      readonly state: string;
      readonly modifiedMs: number;
      readonly isTruncated: boolean;
    }
  | { readonly kind: 'gone' }
  | { readonly kind: 'refused'; readonly why: string };

function readState(path: string): MessageState {
  const file = readRegularFile(path, MAX_MESSAGE_BYTES);
  if (file.kind !== 'read') return file;
  return {
    kind: 'read',
    bytes: file.bytes,
    text: file.bytes.toString('utf8'),
    state: identityOf(file.stat),
    // A torn read counts as written just now.
    modifiedMs: file.stable ? Number(file.stat.mtimeMs) : Number.POSITIVE_INFINITY,
    isTruncated: file.truncated,
  };
}

/** Removes what is still in the archived state; the message goes last, since it proves the rest. */
function removeSources(path: string, sources: Sources): void {
  for (const [name, state] of Object.entries(sources)) {
    if (name !== MESSAGE) removeIfSame(`${path}/${name}`, state);
  }
  removeIfSame(`${path}/${CLAIMED}`, sources[MESSAGE]);
}

function removeIfSame(path: string, state: string | undefined): void {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat !== undefined && identityOf(stat) === state) unlinkSync(path);
}

function outboxNames(runId: string): string[] {
  if (!/^(?:auto)?[0-9a-f]{8}$/.test(runId)) {
    throw new LooperError('REQUEST_INVALID', `"${printable(runId)}" is no run id (8 hex digits).`);
  }
  return ['.looper', 'outbox', runId];
}
