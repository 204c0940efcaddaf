import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { LooperError } from '../errors.ts';
import { badUtf8Line, identityOf, readRegularFile, writeAtomically } from './files.ts';
import type { FileRead } from './files.ts';
import { printable } from './text.ts';
import type { Problem } from './ticket.ts';

export const MAX_TICKET_BYTES = 1024 * 1024;

export type TicketFile =
  | {
      readonly kind: 'text';
      readonly text: string;
      /** Which state of the file this is, for `writeTicketFile`. */
      readonly state: string;
    }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] }
  | { readonly kind: 'gone' };

/**
 * The whole text of one ticket, byte order mark and line ends kept. Symlinks are refused even when
 * they stay in the folder: marking a ticket done replaces the file, which would leave the link's
 * target as it was.
 */
export function readTicketFile(
  directory: string,
  fileName: string,
  maxBytes = MAX_TICKET_BYTES,
): TicketFile {
  const path = join(directory, fileName);
  let file: FileRead = readRegularFile(path, maxBytes);
  // Written at this moment: a second look usually gets the finished text.
  if (file.kind === 'read' && !file.stable) file = readRegularFile(path, maxBytes);
  if (file.kind === 'gone' && fileName.includes('\ufffd')) {
    return bad(null, 'the file name is not UTF-8', 'rename it to plain letters and digits');
  }
  if (file.kind === 'gone') return { kind: 'gone' };
  if (file.kind === 'refused') return bad(null, `it is ${file.why}`, 'a readable regular file');
  if (file.truncated) {
    const size = `${file.stat.size} bytes, more than ${maxBytes}`;
    return bad(null, `it is too large: ${size}`, 'move the bulk into a file of the workspace');
  }
  const line = badUtf8Line(file.bytes);
  if (line !== null) return bad(line, 'the text is not UTF-8', 'save the file as UTF-8');
  // Unlike TextDecoder, this keeps the byte order mark, which is written back.
  return { kind: 'text', text: file.bytes.toString('utf8'), state: identityOf(file.stat) };
}

/**
 * Replaces a ticket's text atomically with the mode that it had. Throws `TICKETS_UNREADABLE` when
 * the file is no longer in the state in which it was read: somebody else's edit is not overwritten.
 */
export function writeTicketFile(
  directory: string,
  fileName: string,
  text: string,
  state: string,
): void {
  const path = join(directory, fileName);
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined || identityOf(stat) !== state) {
    throw new LooperError(
      'TICKETS_UNREADABLE',
      `${printable(fileName)} changed while it was being edited; nothing was written. Try again.`,
    );
  }
  writeAtomically(path, text, Number(stat.mode & 0o777n));
}

function bad(line: number | null, message: string, instead: string): TicketFile {
  return { kind: 'bad', problems: [{ line, message, instead }] };
}
