import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { inertLine } from '../render/inert.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { fixTickets, type FixResult } from '../tickets/fix.ts';
import { loadQueue, type Queue, type QueueEntry } from '../tickets/queue.ts';
import { printable } from '../tickets/text.ts';
import { readTicketFile, writeTicketFile } from '../tickets/ticket-file.ts';
import { setDone } from '../tickets/ticket.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { createPaint, plural, type Paint } from './format.ts';
import { listLocalTickets } from './local-tickets.ts';
import { createTicket } from './new-ticket.ts';
import type { Tickets } from './status.ts';

export interface TicketOptions {
  readonly workspace?: string;
  readonly json?: boolean;
}

/** `looper tickets list` */
export async function list(cli: Cli, options: TicketOptions): Promise<ExitCode> {
  const tickets = await read(cli, options);
  if (options.json === true) await cli.output.json(tickets);
  else
    await cli.output.data(
      `${renderTickets(tickets, createPaint(cli.output.colours)).join('\n')}\n`,
    );
  return EXIT.done;
}

/** `looper tickets lint [--fix]`: exit code 1 when something keeps a ticket from running. */
export async function lint(
  cli: Cli,
  options: TicketOptions & { fix?: boolean },
): Promise<ExitCode> {
  const fixes = options.fix === true ? await fix(cli, options) : { fixed: [], failed: [] };
  const tickets = await read(cli, options);
  const isGood = tickets.findings.length === 0;
  if (options.json === true) {
    const { findings, remarks } = tickets;
    await cli.output.json({ ok: isGood, findings, remarks, ...fixes });
  } else {
    for (const { fileName, changes } of fixes.fixed) {
      cli.output.message(`fixed ${fileName}: ${changes.map(inertLine).join('; ')}`);
    }
    for (const { fileName, reason } of fixes.failed) {
      cli.output.message(`could not fix ${fileName}: ${inertLine(reason)}`);
    }
    const lines = [...tickets.findings, ...tickets.remarks].map(findingLine);
    if (lines.length > 0) await cli.output.data(`${lines.join('\n')}\n`);
    if (isGood) cli.output.message(`${plural(tickets.tickets.length, 'ticket')}: nothing to mend.`);
  }
  return isGood ? EXIT.done : EXIT.failed;
}

/** `looper tickets new <title>`: prints the path of the ticket, for an editor. */
export async function create(cli: Cli, title: string, options: TicketOptions): Promise<ExitCode> {
  const path = await createTicket(workspaceOf(cli, options), cli.config().tickets.directory, title);
  await cli.output.data(`${path}\n`);
  return EXIT.done;
}

/** `looper tickets done|reopen <ticket>` */
export async function mark(
  cli: Cli,
  name: string,
  done: boolean,
  options: TicketOptions,
): Promise<ExitCode> {
  const queue = await loadLocalQueue(cli, options);
  const entry = findEntry(queue, name);
  const file = readTicketFile(queue.directory, entry.fileName);
  const shown = printable(entry.fileName);
  if (file.kind !== 'text')
    throw new CliError(`${shown} cannot be read; nothing was written.`, EXIT.failed);
  const text = setDone(file.text, done);
  const word = done ? 'done' : 'open';
  if (text === file.text) {
    cli.output.message(`${shown} was ${word} already.`);
    return EXIT.done;
  }
  writeTicketFile(queue.directory, entry.fileName, text, file.state);
  cli.output.message(`${shown} is ${word} now.`);
  return EXIT.done;
}

async function fix(cli: Cli, options: TicketOptions): Promise<FixResult> {
  return fixTickets(await loadLocalQueue(cli, options));
}

function read(cli: Cli, options: TicketOptions): Promise<Tickets> {
  return listLocalTickets(workspaceOf(cli, options), cli.config().tickets.directory);
}

async function loadLocalQueue(cli: Cli, options: TicketOptions): Promise<Queue> {
  const workspace = workspaceOf(cli, options);
  const found = resolveTicketsDirectory(workspace, cli.config().tickets.directory);
  if (found.kind === 'found') return loadQueue({ directory: found.directory });
  throw new CliError(
    `${workspace} has no tickets (${found.expected} does not exist): looper tickets new "…" makes the first.`,
    EXIT.failed,
  );
}

/** An existing directory: `--workspace`, else LOOPER_WORKSPACE, else the current one. */
export function workspaceOf(cli: Cli, { workspace }: Pick<TicketOptions, 'workspace'>): string {
  const path =
    workspace === undefined
      ? (cli.config().workspace.directory ?? cli.currentDirectory)
      : resolve(cli.currentDirectory, workspace);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  throw new CliError(`The workspace ${path} is not a directory.`, EXIT.usage);
}

/** By number (`2`, `002`, `TICKET-002`), file name or ticket id; one ticket must be meant. */
function findEntry(queue: Queue, name: string): QueueEntry {
  const [, digits] = /^(?:TICKET-)?(\d{1,15})$/i.exec(name) ?? [];
  const isMeant = (entry: QueueEntry): boolean =>
    entry.fileName === name ||
    (entry.kind === 'ticket' && entry.ticket.id === name) ||
    (digits !== undefined && entry.number === Number(digits));
  const [entry, ...others] = queue.entries.filter(isMeant);
  if (entry === undefined) {
    throw new CliError(
      `There is no ticket ${JSON.stringify(name)} in ${queue.directory}.`,
      EXIT.failed,
    );
  }
  if (others.length === 0) return entry;
  const all = [entry, ...others].map(({ fileName }) => printable(fileName)).join(', ');
  throw new CliError(`${JSON.stringify(name)} could be ${all}: give the file name.`, EXIT.failed);
}

function findingLine({ file, line, message, instead }: Tickets['findings'][number]): string {
  return inertLine(`${file}${line === null ? '' : `:${line}`}: ${message}; instead: ${instead}`);
}

const STATES = {
  done: { sign: '✓', style: 'green', word: '' },
  active: { sign: '●', style: 'cyan', word: 'active' },
  waiting: { sign: '?', style: 'yellow', word: 'waits for a person' },
  open: { sign: '·', style: 'bold', word: '' },
  bad: { sign: '✗', style: 'red', word: 'broken: looper tickets lint' },
} as const;

function renderTickets({ tickets, directory, findings }: Tickets, paint: Paint): string[] {
  const open = tickets.filter(({ state }) => state !== 'done').length;
  if (tickets.length === 0) {
    return [`No tickets in ${directory}: looper tickets new "…" makes the first.`];
  }
  const rows = tickets.map(({ number, title, agent, state }) => {
    const { sign, style, word } = STATES[state];
    const gate =
      agent === 'user' && state !== 'done' && state !== 'waiting' ? 'a gate: a person' : word;
    const name = state === 'done' ? paint(inertLine(title), 'dim') : inertLine(title);
    const behind = gate === '' ? '' : ` ${paint(`(${gate})`, style)}`;
    return `${paint(sign, style)} ${paint(String(number).padStart(3, '0'), 'dim')} ${name}${behind}`;
  });
  const broken = findings.length === 0 ? '' : `, ${plural(findings.length, 'finding')}`;
  return [
    ...rows,
    paint(`${open} open, ${tickets.length - open} done${broken} · ${directory}`, 'dim'),
  ];
}
