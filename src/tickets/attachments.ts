import { lstatSync, readdirSync } from 'node:fs';
import { identityOf, kindOf, readRegularFile } from './files.ts';
import type { Archived } from './message-archive.ts';
import { printable } from './text.ts';

export const MESSAGE = 'MESSAGE.md';
export const MAX_ATTACHMENTS = 20;
export const MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024;
/** Attachments of one run together: an agent must not fill the disk of the logs. */
export const MAX_RUN_ATTACHMENT_BYTES = 256 * 1024 * 1024;

export interface FoundAttachment {
  readonly name: string;
  readonly bytes: Buffer;
  readonly state: string;
}

/** What lies beside the message. What does not fit stays where it is and is named in a warning. */
export function readAttachments(
  path: string,
  archived: readonly Archived[],
): { readonly files: readonly FoundAttachment[]; readonly warnings: readonly string[] } {
  const files: FoundAttachment[] = [];
  const warnings: string[] = [];
  let total = archived.reduce(
    (sum, { message }) => message.attachments.reduce((own, { bytes }) => own + bytes, sum),
    0,
  );
  const names = readdirSync(path)
    .filter((name) => name !== MESSAGE && !name.startsWith('.') && !name.endsWith('.tmp'))
    .sort();
  for (const name of names.slice(0, MAX_ATTACHMENTS)) {
    const stat = lstatSync(`${path}/${name}`, { bigint: true, throwIfNoEntry: false });
    const room = Math.min(MAX_ATTACHMENT_BYTES, MAX_RUN_ATTACHMENT_BYTES - total);
    if (stat === undefined) continue;
    if (!stat.isFile() || stat.size > BigInt(room)) {
      const why = stat.isFile() ? `it has ${stat.size} bytes, ${room} are left` : kindOf(stat);
      warnings.push(`The attachment ${printable(name)} stays in the outbox: ${why}.`);
      continue;
    }
    const file = readRegularFile(`${path}/${name}`, room);
    if (file.kind !== 'read') continue;
    total += file.bytes.length;
    files.push({ name, bytes: file.bytes, state: identityOf(file.stat) });
  }
  const left = names.length - MAX_ATTACHMENTS;
  if (left > 0)
    warnings.push(`${left} more attachments stay in the outbox: ${MAX_ATTACHMENTS} fit.`);
  return { files, warnings };
}
