import type { Findings } from './findings.ts';
import type { Given } from './sources.ts';
import { KNOWN_VARIABLES } from './schema.ts';

/** Farther than this it is another word, not a slip. */
const MOST_EDITS = 4;

/** A misspelt variable would silently do nothing: name it, and the one that was probably meant. */
export function warnOfUnknownNames(given: Given, findings: Findings): void {
  for (const name of Object.keys(given)) {
    if (!name.startsWith('LOOPER_') || KNOWN_VARIABLES.includes(name)) continue;
    const nearest = nearestName(name, KNOWN_VARIABLES);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    // Without its value: who misspells the name of a secret would find it in a log.
    findings.warnings.push(`${name} is not a variable of Looper and is ignored${hint}`);
  }
}

/** The candidate that fewest single-letter edits turn `name` into. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let fewest = MOST_EDITS + 1;
  for (const candidate of candidates) {
    const edits = editDistance(name, candidate);
    if (edits < fewest) {
      fewest = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [row, letter] of a.split('').entries()) {
    const current = [row + 1];
    for (const [column, other] of b.split('').entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      const removed = (previous[column + 1] ?? 0) + 1;
      const added = (current[column] ?? 0) + 1;
      current.push(Math.min(replaced, removed, added));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
