import { linkSync, realpathSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { LOOPER_TICKETS, resolveTicketsDirectory } from '../tickets/directory.ts';
import { writeSynced } from '../tickets/files.ts';
import { openFolder } from '../tickets/folder.ts';
import { setFrontMatterKey } from '../tickets/front-matter.ts';
import { loadQueue, nextNumber } from '../tickets/queue.ts';
import { oneLine } from '../tickets/text.ts';
import { defaultTicketId } from '../tickets/ticket.ts';
import { CliError, EXIT } from './exit.ts';

const MAX_SLUG = 50;
/** Others create tickets at the same moment; so many at once do not. */
const MAX_TRIES = 100;
/** Part of the work tree, like any file of the project. */
const FILE_MODE = 0o644;

/**
 * Writes an open ticket with the next number and returns its path. Of several that do so at the
 * same time each gets a number of its own, and nobody ever reads half a ticket.
 */
export async function createTicket(
  workspace: string,
  override: string | undefined,
  givenTitle: string,
  body?: string,
): Promise<string> {
  const title = oneLine(givenTitle);
  if (title === '') throw new CliError('A ticket needs a title.', EXIT.usage);
  const directory = makeDirectory(workspace, override);
  const text = ticketText(title, body);
  let lowest = 0;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const number = Math.max(lowest, nextNumber(await loadQueue({ directory })));
    const release = reserve(directory, number);
    if (release === null) {
      lowest = number + 1;
      continue;
    }
    try {
      // Somebody who held the number before us may have used it.
      if (nextNumber(await loadQueue({ directory })) > number) continue;
      const path = join(directory, `${defaultTicketId(number)}${slugOf(title)}.md`);
      writeWhole(path, text);
      return path;
    } finally {
      release();
    }
  }
  throw new CliError(
    `No free ticket number was found in ${directory} after ${MAX_TRIES} tries.`,
    EXIT.failed,
  );
}

/** An open ticket; a title on one line stands in its front matter, and above a body that has none. */
export function ticketText(title: string, body = `\n# ${title}\n`): string {
  return setFrontMatterKey('---\nagent: codex\ndone: false\n---\n', 'title', title) + body;
}

/** Makes `.looper/tickets` where the workspace has none, through no link that leads elsewhere. */
function makeDirectory(workspace: string, override: string | undefined): string {
  const found = resolveTicketsDirectory(workspace, override);
  if (found.kind === 'found') return found.directory;
  const opened = openFolder(realpathSync(workspace), LOOPER_TICKETS.split('/'), { create: true });
  if (opened.kind === 'open') {
    opened.close();
    return found.expected;
  }
  const why = opened.kind === 'refused' ? opened.why : 'it could not be made';
  throw new CliError(`No ticket was written: ${found.expected}: ${why}.`, EXIT.failed);
}

/** Null when another one holds the number. What a crash leaves of it only costs that number. */
function reserve(directory: string, number: number): (() => void) | null {
  const path = join(directory, `.${defaultTicketId(number)}.new`);
  try {
    writeSynced(path, '');
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return null;
    throw error;
  }
  return () => rmSync(path, { force: true });
}

/** Appears with its whole text, and replaces nothing. */
function writeWhole(path: string, text: string): void {
  const temporary = join(path, '..', `.looper-${randomBytes(6).toString('hex')}.tmp`);
  writeSynced(temporary, text, FILE_MODE);
  try {
    linkSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** `-write-the-parser`; '' where nothing of a title can stand in a file name. */
function slugOf(title: string): string {
  const words = title
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-');
  const slug = words.slice(0, MAX_SLUG).replaceAll(/^-+|-+$/g, '');
  return slug === '' ? '' : `-${slug}`;
}
