import { z } from 'zod';
import { parseFrontMatter, setFrontMatterKey } from './front-matter.ts';
import type { Mapping, Problem } from './mapping.ts';
import { isPrintable, oneLine, printable, shown } from './text.ts';

export type { Problem } from './mapping.ts';

/** `user` is a gate that waits for a person; any other agent is not ours to run. */
export const CODEX_AGENT = 'codex';
export const USER_AGENT = 'user';

export const MAX_CONTEXT_ENTRIES = 64;

export interface ContextEntry {
  /** Relative to the workspace, `/` between segments. */
  readonly path: string;
  readonly max_bytes?: number | undefined;
  readonly required: boolean;
}

export interface Ticket {
  readonly fileName: string;
  readonly number: number;
  /** `ticket_id`, else `TICKET-<number>`: a new slug does not make it another ticket. */
  readonly id: string;
  /** One line: `title`, else the first heading, else the slug, else the id. */
  readonly title: string;
  readonly agent: string;
  readonly done: boolean;
  readonly goal: string | undefined;
  readonly model: string | undefined;
  readonly reasoning: string | undefined;
  readonly context: readonly ContextEntry[];
  /** Keys that are not ours: kept in the file, never rejected. */
  readonly other: Readonly<Record<string, unknown>>;
}

export type ParsedTicket =
  | { readonly ok: true; readonly ticket: Ticket }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      /** What `done` says where it can be read: a finished ticket stops nobody. */
      readonly done: boolean | null;
    };

export interface TicketName {
  readonly number: number;
  readonly slug: string;
}

// `s`: a name may hold a newline; it is then a ticket with a problem, not a stray file.
const TICKET_NAME = /^TICKET-(\d{3,})(.*)\.md$/is;
/** Beyond this a number is no longer exact, and two tickets could look like one. */
const MAX_DIGITS = 15;

/** The number and the slug in a ticket's file name; null for any other file. */
export function parseTicketName(fileName: string): TicketName | null {
  const match = TICKET_NAME.exec(fileName);
  if (match === null) return null;
  return { number: Number(match[1]), slug: (match[2] ?? '').replace(/^[-_ .]+/, '') };
}

/** The id of a ticket that names none. */
export function defaultTicketId(number: number): string {
  return `TICKET-${String(number).padStart(3, '0')}`;
}

/** Whether a path is relative, stays below its root by its spelling, and can be printed. */
export function isInnerPath(path: string): boolean {
  return (
    path !== '' &&
    path.length <= 1024 &&
    !path.startsWith('/') &&
    !path.includes('\\') &&
    !path.split('/').includes('..') &&
    isPrintable(path)
  );
}

/** What to write instead, by key. */
const ADVICE: Readonly<Record<string, string>> = {
  agent: 'agent: codex',
  done: 'done: false (or true when the work is finished)',
  ticket_id: 'ticket_id: 6 to 128 letters, digits, ".", "_" or "-"; or leave the key out',
  title: 'title: one line of text',
  goal: 'goal: one line of text',
  model: 'model: a name such as gpt-5.5; or leave the key out',
  reasoning: 'reasoning: a word such as low, medium or high; or leave the key out',
  context:
    'context: a list of "- path: docs/spec.md", relative to the workspace, with max_bytes and required where needed',
};
const TEXT_KEYS: ReadonlySet<string> = new Set(['agent', 'title', 'goal', 'model', 'reasoning']);

const says = (what: string) => ({
  error: (issue: { input?: unknown }) => `is ${shown(issue.input)}, not ${what}`,
});
const text = z.string(says('text')).trim();
// Both reach codex's command line: no blanks, no quotes, no leading dash.
const model = text.regex(/^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/, says('a model name'));
const reasoning = text.regex(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/, says('a reasoning level'));

const contextEntry = z.looseObject(
  {
    path: z.string(says('a path')).refine(isInnerPath, says('a path inside the workspace')),
    max_bytes: z.int(says('a number of bytes')).min(1, says('at least 1')).optional(),
    required: z.boolean(says('true or false')).default(false),
  },
  says('a mapping with a path'),
);

const schema = z.looseObject({
  agent: text.default(CODEX_AGENT),
  done: z.boolean({
    error: (issue) =>
      issue.input === undefined ? 'is missing' : `is ${shown(issue.input)}, not true or false`,
  }),
  ticket_id: z
    .string(says('text'))
    .regex(/^[A-Za-z0-9._-]{6,128}$/, says('a ticket id'))
    .optional(),
  title: text.optional(),
  goal: text.optional(),
  model: model.optional(),
  reasoning: reasoning.optional(),
  context: z
    .array(contextEntry, says('a list'))
    .max(MAX_CONTEXT_ENTRIES, `has more than ${MAX_CONTEXT_ENTRIES} entries`)
    .default([]),
});
const OWN_KEYS: ReadonlySet<string> = new Set(Object.keys(schema.shape));

/** Reads a ticket from its file's name and whole text; every problem is reported, not the first. */
export function parseTicket(fileName: string, fileText: string): ParsedTicket {
  const name = parseTicketName(fileName);
  const problems: Problem[] = name === null ? [notATicket(fileName)] : nameProblems(fileName, name);
  const parsed = parseFrontMatter(fileText);
  if (!parsed.ok) return { ok: false, problems: [...problems, ...parsed.problems], done: null };

  const { mapping, body } = parsed;
  const checked = schema.safeParse(withTextAsWritten(mapping));
  const done = typeof mapping.values['done'] === 'boolean' ? mapping.values['done'] : null;
  if (!checked.success) {
    for (const issue of checked.error.issues) problems.push(problemOf(mapping, issue));
  }
  if (name === null || !checked.success || problems.length > 0) {
    return { ok: false, problems, done };
  }

  const data = checked.data;
  const id = data.ticket_id ?? defaultTicketId(name.number);
  const other = Object.entries(mapping.values).filter(([key]) => !OWN_KEYS.has(key));
  const ticket: Ticket = {
    fileName,
    number: name.number,
    id,
    title: oneLine(data.title ?? '') || firstHeading(body) || oneLine(name.slug) || id,
    agent: oneLine(data.agent) || CODEX_AGENT,
    done: data.done,
    goal: oneLine(data.goal ?? '', 1000) || undefined,
    model: data.model,
    reasoning: data.reasoning,
    context: data.context.map(({ path, max_bytes, required }) => ({ path, max_bytes, required })),
    other: Object.fromEntries(other),
  };
  return { ok: true, ticket };
}

/** Marks a ticket done or open; every other byte of its text stays. Throws `TICKETS_UNREADABLE`. */
export function setDone(fileText: string, done: boolean): string {
  return setFrontMatterKey(fileText, 'done', done);
}

/** `title: 2026` is text for people, whatever YAML makes of it; an empty value is an absent one. */
function withTextAsWritten(mapping: Mapping): Record<string, unknown> {
  const values: Record<string, unknown> = { ...mapping.values };
  for (const [key, { source }] of mapping.fields) {
    const isText = TEXT_KEYS.has(key) || key === 'ticket_id';
    const value = mapping.values[key];
    if (value === null || (TEXT_KEYS.has(key) && value === '')) {
      if (OWN_KEYS.has(key)) delete values[key];
    } else if (isText && typeof value !== 'string' && source !== undefined) {
      values[key] = source;
    }
  }
  return values;
}

function problemOf(mapping: Mapping, issue: z.core.$ZodIssue): Problem {
  const [key, ...rest] = issue.path.map(String);
  const where =
    rest.length === 0
      ? ''
      : ` entry ${Number(rest[0]) + 1}${rest
          .slice(1)
          .map((part) => `, ${part}`)
          .join('')}`;
  return {
    line: mapping.lineOf(issue.path),
    message: `"${key ?? ''}"${where} ${issue.message}`,
    instead: ADVICE[key ?? ''] ?? 'leave the key out',
  };
}

function nameProblems(fileName: string, name: TicketName): Problem[] {
  const instead = `rename it to ${defaultTicketId(1)}-short-title.md, with its own number`;
  if (!isPrintable(fileName) || fileName.includes('\ufffd')) {
    return [
      { line: null, message: 'the file name holds characters that cannot be shown', instead },
    ];
  }
  if (!Number.isSafeInteger(name.number) || String(name.number).length > MAX_DIGITS) {
    return [{ line: null, message: `the number has more than ${MAX_DIGITS} digits`, instead }];
  }
  return [];
}

function notATicket(fileName: string): Problem {
  return {
    line: null,
    message: `${printable(fileName)} is no ticket's name`,
    instead: 'TICKET-<at least 3 digits>-short-title.md',
  };
}

function firstHeading(body: string): string {
  // A heading far below is not this ticket's title, and a megabyte of body is not worth a search.
  const heading = /^#{1,6}[ \t]+(.+)$/m.exec(body.slice(0, 4096));
  return oneLine(heading?.[1] ?? '');
}
