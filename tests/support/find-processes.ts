import { readdirSync, readFileSync } from 'node:fs';

/** Tests that look for what a run left behind read `/proc`, and nothing of Looper's own. */
export const canFindProcesses = process.platform === 'linux';

/** Living processes with this word in their command line or this `NAME=value` in their environment. */
export function findProcesses(wanted: { word?: string; variable?: string }): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const words = read(pid, 'cmdline');
      // A zombie has no command line any more.
      if (words.length === 0) return false;
      if (wanted.word !== undefined && words.includes(wanted.word)) return true;
      return wanted.variable !== undefined && read(pid, 'environ').includes(wanted.variable);
    })
    .map(Number);
}

function read(pid: string, file: 'cmdline' | 'environ'): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').filter(Boolean);
  } catch {
    // It ended meanwhile, or is another user's.
    return [];
  }
}
