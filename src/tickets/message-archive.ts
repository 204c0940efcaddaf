import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { systemErrorCode } from '../errors.ts';
import { readRegularFile, syncFolder, writeSynced } from './files.ts';

const attachmentSchema = z.object({
  /** As the agent named it. */
  name: z.string(),
  /** In `<NNNN>/files/`. */
  stored_as: z.string(),
  bytes: z.number(),
});
export type Attachment = z.infer<typeof attachmentSchema>;

const messageSchema = z.object({
  number: z.int(),
  mode: z.enum(['notify', 'pause']),
  title: z.string().nullable(),
  text: z.string(),
  attachments: z.array(attachmentSchema),
  warnings: z.array(z.string()),
  taken_at: z.string(),
});
/** A message of an agent as it lies in `<base>.messages/<NNNN>/message.json`. */
export type Message = z.infer<typeof messageSchema>;

/** The files of the outbox that a message was made from, by name: which states were archived. */
export type Sources = Readonly<Record<string, string>>;
const archivedSchema = z.object({
  message: messageSchema,
  sources: z.record(z.string(), z.string()),
});
export type Archived = z.infer<typeof archivedSchema>;

const MAX_MESSAGE_JSON_BYTES = 1024 * 1024;

/** Every archived message of a run, in order; none when the folder does not exist. */
export function listMessages(archiveDirectory: string): Message[] {
  return listArchived(archiveDirectory).map(({ message }) => message);
}

export function listArchived(archiveDirectory: string): Archived[] {
  return listNumbers(archiveDirectory).flatMap((number) => {
    const path = join(archiveDirectory, folderName(number), 'message.json');
    const file = readRegularFile(path, MAX_MESSAGE_JSON_BYTES);
    if (file.kind !== 'read') return [];
    const parsed = archivedSchema.safeParse(parseJson(file.bytes.toString('utf8')));
    return parsed.success ? [parsed.data] : [];
  });
}

export interface ArchiveInput {
  readonly message: Omit<Message, 'number' | 'attachments'>;
  readonly sources: Sources;
  /** MESSAGE.md as it was. */
  readonly raw: Buffer;
  readonly attachments: readonly { readonly name: string; readonly bytes: Buffer }[];
}

/**
 * Files a message under the next number. It appears whole or not at all: everything is written and
 * synced in a staging folder, whose rename is the moment from which the message counts as taken.
 */
export async function archiveMessage(
  archiveDirectory: string,
  input: ArchiveInput,
): Promise<Message> {
  mkdirSync(archiveDirectory, { recursive: true, mode: 0o700 });
  const number = (listNumbers(archiveDirectory).at(-1) ?? 0) + 1;
  const staging = join(archiveDirectory, '.staging');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(join(staging, 'files'), { recursive: true, mode: 0o700 });
  const attachments: Attachment[] = [];
  for (const [index, { name, bytes }] of input.attachments.entries()) {
    const stored_as = safeFileName(name, index + 1);
    await writeFile(join(staging, 'files', stored_as), bytes, { mode: 0o600, flag: 'wx' });
    attachments.push({ name, stored_as, bytes: bytes.length });
  }
  const message: Message = { number, ...input.message, attachments };
  writeSynced(join(staging, 'MESSAGE.md'), input.raw);
  writeSynced(join(staging, 'message.json'), JSON.stringify({ message, sources: input.sources }));
  syncFolder(staging);
  renameSync(staging, join(archiveDirectory, folderName(number)));
  syncFolder(archiveDirectory);
  return message;
}

function folderName(number: number): string {
  return String(number).padStart(4, '0');
}

function listNumbers(archiveDirectory: string): number[] {
  try {
    return readdirSync(archiveDirectory)
      .filter((name) => /^\d{4,}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** `01-report.txt`: the number keeps two names apart that become the same one here. */
function safeFileName(name: string, index: number): string {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, '_').slice(-100);
  return `${String(index).padStart(2, '0')}-${plain}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
