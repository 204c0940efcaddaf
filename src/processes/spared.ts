import { isSameProcess, type ProcessIdentity } from './identity.ts';
import { ancestorsOf, hasAncestor, type ProcessTable } from './table.ts';

/**
 * The pids that nothing may touch, whatever else speaks for it: this process, those above it, and
 * the excluded ones with everything below them.
 */
export function findSpared(
  table: ProcessTable,
  exclude: readonly ProcessIdentity[],
): ReadonlySet<number> {
  const isExcluded = ({ identity }: { identity: ProcessIdentity }): boolean =>
    exclude.some((excluded) => isSameProcess(excluded, identity));
  const spared = new Set([process.pid, process.ppid]);
  for (const { identity } of ancestorsOf(table, process.pid)) spared.add(identity.pid);
  if (exclude.length === 0) return spared;
  for (const info of table.values()) {
    const { pid } = info.identity;
    if (isExcluded(info) || hasAncestor(table, pid, isExcluded)) spared.add(pid);
  }
  return spared;
}
