import { realpathSync } from 'node:fs';
import type { z } from 'zod';
import type { SCHEMAS } from '../http/schemas.ts';
import { listTickets, type TicketContext } from '../run/ticket-list.ts';
import type { Finding } from '../tickets/queue.ts';

/** The queue of a workspace of this machine, in the shape of `GET /tickets`. */
export async function listLocalTickets(
  workspace: string,
  override: string | undefined,
  context: TicketContext = { active: null, questionAbout: null },
): Promise<z.output<typeof SCHEMAS.Tickets>> {
  const real = realpathSync(workspace);
  const { directory, source, tickets, lint } = await listTickets(real, override, context);
  return {
    ok: true,
    workspace: real,
    directory,
    source,
    tickets: [...tickets],
    findings: lint.findings.map(findingOf),
    remarks: lint.remarks.map(findingOf),
  };
}

function findingOf({ fileName, line, message, instead }: Finding) {
  return { file: fileName, line, message, instead };
}
