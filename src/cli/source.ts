import { existsSync } from 'node:fs';
import { askHolder } from '../runs/lock.ts';
import { createClient, type Client } from './client.ts';
import type { Unreachable } from './client-errors.ts';
import type { Cli } from './context.ts';
import { createFileSource } from './file-source.ts';
import type { RunSource } from './run-source.ts';
import { createServiceSource } from './service-source.ts';

export type Source =
  | { readonly kind: 'service'; readonly runs: RunSource; readonly client: Client }
  | { readonly kind: 'files'; readonly runs: RunSource; readonly absence: Unreachable };

export function connect(cli: Cli): Client {
  const { client } = cli.config();
  return createClient({
    url: client.baseUrl,
    token: client.token,
    version: cli.version,
    signal: cli.interrupted(),
  });
}

/**
 * The service where it answers; else, for an address of this machine, the files of the configured
 * log directory. Throws `Unreachable` for a service elsewhere: these files would not be its own.
 */
export async function openSource(cli: Cli): Promise<Source> {
  const client = connect(cli);
  const absence = await client.absence();
  if (absence === null) return { kind: 'service', runs: createServiceSource(client), client };
  if (!client.isLocal) throw absence;
  const { directory } = cli.config().logs;
  return { kind: 'files', runs: createFileSource(directory, cli.interrupted()), absence };
}

/** Says that no service answers, and which one holds the log directory if one does. */
export async function tellOfFiles(cli: Cli): Promise<void> {
  const { client, logs } = cli.config();
  const holder = existsSync(logs.directory) ? await askHolder(logs.directory, 'daemon') : null;
  const held = holder === null ? '' : `, though one holds it (${holder}: is LOOPER_URL right?)`;
  cli.output.message(
    `No service answers at ${client.baseUrl}; read from the files in ${logs.directory}${held}.`,
  );
}
