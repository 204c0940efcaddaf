import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import {
  CONTEXT_PAGE,
  CONTEXT_PAGE_NAME,
  FIRST_TICKET,
  LOOPER_GITIGNORE,
} from '../init/first-ticket.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { writeSynced } from '../tickets/files.ts';
import { openFolder } from '../tickets/folder.ts';
import { loadQueue } from '../tickets/queue.ts';
import type { Cli } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { createTicket, ticketText } from './new-ticket.ts';
import { workspaceOf } from './tickets.ts';

/** Part of the work tree, like any file of the project. */
const FILE_MODE = 0o644;

/** `looper init tickets`: prints the paths of what it wrote; replaces nothing. */
export async function initTickets(
  cli: Cli,
  options: { readonly workspace?: string; readonly print?: boolean },
): Promise<ExitCode> {
  const { title, body } = FIRST_TICKET;
  if (options.print === true) {
    await cli.output.data(`${ticketText(title, body)}\n${CONTEXT_PAGE}`);
    return EXIT.done;
  }
  const workspace = realpathSync(workspaceOf(cli, options));
  const override = cli.config().tickets.directory;
  await refuseOthers(workspace, override);
  const written: string[] = [];
  const place = (folder: readonly string[], name: string, text: string): void => {
    const path = join(workspace, ...folder, name);
    if (placeInside(workspace, folder, name, text)) written.push(path);
    else cli.output.message(`${path} is there already and stays as it is.`);
  };
  place(['.looper', 'context'], CONTEXT_PAGE_NAME, CONTEXT_PAGE);
  place(['.looper'], '.gitignore', LOOPER_GITIGNORE);
  // Last: a service that is idle takes it at once.
  written.push(await createTicket(workspace, override, title, body));
  await cli.output.data(`${written.join('\n')}\n`);
  cli.output.message(
    'The ticket has an agent fill in the page. It starts by itself where an idle service has this workspace, else with: looper run',
  );
  return EXIT.done;
}

async function refuseOthers(workspace: string, override: string | undefined): Promise<void> {
  const found = resolveTicketsDirectory(workspace, override);
  if (found.kind === 'none') return;
  const { entries } = await loadQueue({ directory: found.directory });
  if (found.source !== 'car' && entries.length === 0) return;
  throw new CliError(
    `${found.directory} is there already; nothing was written. looper tickets new "…" writes the next ticket.`,
    EXIT.failed,
  );
}

/** False where a file of that name is there already. Follows no link that an agent may have put there. */
function placeInside(
  workspace: string,
  folder: readonly string[],
  name: string,
  text: string,
): boolean {
  const opened = openFolder(workspace, folder, { create: true });
  if (opened.kind !== 'open') {
    const why = opened.kind === 'refused' ? opened.why : 'it could not be made';
    throw new CliError(
      `${join(workspace, ...folder)}: ${why}; no ticket was written.`,
      EXIT.failed,
    );
  }
  try {
    writeSynced(join(opened.path, name), text, FILE_MODE);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    opened.close();
  }
}
