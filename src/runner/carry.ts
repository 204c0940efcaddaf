import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isPlainName } from '../plain-name.ts';
import type { DirtyPaths } from '../git/repository.ts';
import { writeFileAtomic } from '../runs/atomic-file.ts';
import { readIfThere } from '../read-if-there.ts';

const carriedSchema = z.object({
  /** The ticket's file name when it began. */
  ticket: z.string(),
  id: z.string(),
  title: z.string(),
  /** The run that worked on it last, and how many of that run's turns are known here. */
  run_id: z.string(),
  turns: z.number().int().min(0),
  /** False: no agent has begun a turn yet, so that nothing can be its work. */
  worked: z.boolean(),
  /** It reaches a command line. */
  thread_id: z.string().refine(isPlainName).nullable(),
  /** Codex's figure for that thread, which is cumulative. */
  usage: z
    .object({
      input_tokens: z.number(),
      cached_input_tokens: z.number(),
      output_tokens: z.number(),
      reasoning_output_tokens: z.number(),
    })
    .nullable(),
  final_message: z.string().nullable(),
  /** What was dirty when it began; null: nobody knows, or nothing is to be committed. */
  before: z
    .object({
      head: z.string().nullable(),
      paths: z.array(z.tuple([z.string(), z.string()])),
    })
    .nullable(),
});

/** What of an unfinished ticket outlives its run, whatever ends that. */
export type CarriedTicket = Readonly<Omit<z.output<typeof carriedSchema>, 'before'>> & {
  readonly before: DirtyPaths | null;
};

const fileSchema = z.object({
  version: z.literal(1),
  workspace: z.string(),
  tickets: z.array(carriedSchema),
});

/** One file for each workspace, in the log directory, where no agent can write. */
export function carryPath(logDirectory: string, workspace: string): string {
  const name = createHash('sha256').update(workspace).digest('hex').slice(0, 16);
  return join(logDirectory, 'workspaces', `${name}.json`);
}

/**
 * The tickets of a workspace that were begun and are not settled. A file that cannot be understood
 * is set aside, and `warn` is told what that costs.
 */
export function readCarried(
  logDirectory: string,
  workspace: string,
  warn: (sentence: string) => void,
): readonly CarriedTicket[] {
  const path = carryPath(logDirectory, workspace);
  const text = readIfThere(path);
  if (text === null) return [];
  const parsed = fileSchema.safeParse(parseJson(text));
  if (parsed.success && parsed.data.workspace === workspace) return parsed.data.tickets;
  renameSync(path, `${path}.unreadable`);
  warn(
    `${path} could not be understood and is kept as ${path}.unreadable: unfinished tickets begin a new thread, and what they have changed so far is not committed.`,
  );
  return [];
}

/** Puts a ticket's present state on disk. To be called by the holder of the run lock, or before. */
export function keepCarried(logDirectory: string, workspace: string, carried: CarriedTicket): void {
  change(logDirectory, workspace, (tickets) => [
    ...tickets.filter(({ id }) => id !== carried.id),
    carried,
  ]);
}

/** The ticket is finished and its changes are committed, or it is gone. */
export function dropCarried(logDirectory: string, workspace: string, id: string): void {
  change(logDirectory, workspace, (tickets) => tickets.filter((ticket) => ticket.id !== id));
}

function change(
  logDirectory: string,
  workspace: string,
  edit: (tickets: readonly CarriedTicket[]) => readonly CarriedTicket[],
): void {
  const tickets = edit(readCarried(logDirectory, workspace, () => undefined));
  const path = carryPath(logDirectory, workspace);
  if (tickets.length === 0) {
    rmSync(path, { force: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileAtomic(path, `${JSON.stringify({ version: 1, workspace, tickets })}\n`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
