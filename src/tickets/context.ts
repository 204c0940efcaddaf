import { readdirSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { readRegularFile } from './files.ts';
import { headBytes, isPrintable } from './text.ts';
import { isInnerPath } from './ticket.ts';
import type { ContextEntry, Problem } from './ticket.ts';

/** CAR's figures: bytes per entry without `max_bytes`, and of all entries of a ticket together. */
export const CONTEXT_ENTRY_BYTES = 4096;
export const CONTEXT_TOTAL_BYTES = 16_384;
export const DOCUMENT_CHARS = 4000;
const MAX_DOCUMENTS = 20;

export interface ContextText {
  /** Relative to the workspace. */
  readonly path: string;
  readonly text: string;
  readonly truncated: boolean;
}

export interface TicketContext {
  readonly files: readonly ContextText[];
  /** Required files that cannot be shown: the turn must not start. */
  readonly problems: readonly Problem[];
  /** Optional ones, and what did not fit: for the prompt's warnings. */
  readonly warnings: readonly string[];
}

/** Reads what a ticket asks for, in its order, never from outside the workspace. */
export function readTicketContext(
  workspace: string,
  entries: readonly ContextEntry[],
): TicketContext {
  const root = realpathSync(workspace);
  const files: ContextText[] = [];
  const problems: Problem[] = [];
  const warnings: string[] = [];
  let left = CONTEXT_TOTAL_BYTES;
  for (const entry of entries) {
    const allowed = Math.min(entry.max_bytes ?? CONTEXT_ENTRY_BYTES, left);
    const read = readInside(root, entry.path, allowed);
    if (read.kind === 'refused') {
      const message = `context file ${entry.path} ${read.why}`;
      if (entry.required) {
        const instead = 'add the file, correct its path, or write required: false';
        problems.push({ line: null, message, instead });
      } else warnings.push(`The ${message}.`);
      continue;
    }
    if (allowed === 0) {
      warnings.push(
        `The context file ${entry.path} is left out: ${CONTEXT_TOTAL_BYTES} bytes are shown in all.`,
      );
      continue;
    }
    left -= Buffer.byteLength(read.text, 'utf8');
    files.push({ path: entry.path, text: read.text, truncated: read.truncated });
  }
  return { files, problems, warnings };
}

const LOOPER_CONTEXT = ['.looper', 'context'];
const CAR_CONTEXT = ['.codex-autorunner', 'contextspace'];
/** CAR shows these first, in this order. */
const CAR_ORDER = ['active_context.md', 'decisions.md', 'spec.md'];

export interface WorkspaceDocuments {
  readonly documents: readonly ContextText[];
  readonly warnings: readonly string[];
}

/**
 * The documents that every prompt of a workspace carries: `.looper/context/*.md` by name or, where
 * that folder is absent and the tickets are a CAR pack's, `.codex-autorunner/contextspace/*.md`.
 */
export function readWorkspaceDocuments(
  workspace: string,
  options: { readonly isCarPack: boolean },
): WorkspaceDocuments {
  const root = realpathSync(workspace);
  const own = listDocuments(root, LOOPER_CONTEXT);
  if (own !== null) return readDocuments(root, own);
  const car = options.isCarPack ? listDocuments(root, CAR_CONTEXT) : null;
  return readDocuments(root, car ?? []);
}

/** Paths relative to the workspace, in order; null when there is no such folder inside it. */
function listDocuments(root: string, folder: readonly string[]): string[] | null {
  let names: string[];
  try {
    const real = realpathSync(join(root, ...folder));
    if (!isInside(root, real)) return null;
    names = readdirSync(real);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return null;
  }
  const rank = (name: string): number => {
    const at = folder === CAR_CONTEXT ? CAR_ORDER.indexOf(name) : -1;
    return at === -1 ? CAR_ORDER.length : at;
  };
  return names
    .filter((name) => /\.md$/i.test(name) && !name.startsWith('.') && isPrintable(name))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .map((name) => [...folder, name].join('/'));
}

function readDocuments(root: string, paths: readonly string[]): WorkspaceDocuments {
  const documents: ContextText[] = [];
  const warnings: string[] = [];
  for (const path of paths.slice(0, MAX_DOCUMENTS)) {
    // Four bytes hold any character, so this many always hold enough of them.
    const read = readInside(root, path, DOCUMENT_CHARS * 4);
    if (read.kind === 'refused') {
      warnings.push(`The document ${path} ${read.why}.`);
      continue;
    }
    const text = Array.from(read.text).slice(0, DOCUMENT_CHARS).join('');
    documents.push({ path, text, truncated: read.truncated || text.length < read.text.length });
  }
  if (paths.length > MAX_DOCUMENTS) {
    const left = paths.length - MAX_DOCUMENTS;
    warnings.push(`${left} more documents are left out: ${MAX_DOCUMENTS} are shown.`);
  }
  return { documents, warnings };
}

type InsideRead =
  | { readonly kind: 'read'; readonly text: string; readonly truncated: boolean }
  | { readonly kind: 'refused'; readonly why: string };

/**
 * Reads the beginning of a file of the workspace. Links are followed as long as they stay inside.
 * Text that is not UTF-8 is shown with replacement characters: context is for reading only.
 */
function readInside(root: string, path: string, maxBytes: number): InsideRead {
  if (!isInnerPath(path)) return { kind: 'refused', why: 'is no path inside the workspace' };
  let real: string;
  try {
    real = realpathSync(join(root, path));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return {
      kind: 'refused',
      why: code === 'ENOENT' || code === 'ENOTDIR' ? 'is missing' : `cannot be resolved (${code})`,
    };
  }
  if (!isInside(root, real)) return { kind: 'refused', why: 'leads out of the workspace' };
  const file = readRegularFile(real, maxBytes);
  if (file.kind === 'gone') return { kind: 'refused', why: 'is missing' };
  if (file.kind === 'refused') return { kind: 'refused', why: `is ${file.why}` };
  const text = decodeHead(file.bytes, file.truncated);
  return { kind: 'read', text: headBytes(text, maxBytes), truncated: file.truncated };
}

/** Lossy; a character that the cut went through is dropped instead of replaced. */
function decodeHead(bytes: Buffer, isCut: boolean): string {
  return new TextDecoder('utf-8').decode(bytes, { stream: isCut });
}

function isInside(root: string, path: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}
