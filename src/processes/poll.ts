import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';

/**
 * Asks until the answer is yes; false after `limitMs`. Close together at first, since most processes
 * end within milliseconds, then ever further apart: measured to notice an end within about 1 ms at
 * 1 % of a processor. A slow question is given at least its own time as a pause.
 */
export async function pollUntil(
  ask: () => boolean | Promise<boolean>,
  limitMs: number,
): Promise<boolean> {
  const start = performance.now();
  for (;;) {
    const asked = performance.now();
    if (await ask()) return true;
    const now = performance.now();
    const left = start + limitMs - now;
    if (left <= 0) return false;
    const pauseMs = Math.max(pauseAfter(now - start), now - asked);
    if (pauseMs < 1) await nextTurn();
    else await delay(Math.min(pauseMs, left));
  }
}

function pauseAfter(elapsedMs: number): number {
  if (elapsedMs < 2) return 0;
  if (elapsedMs < 50) return 1;
  return elapsedMs < 500 ? 5 : 20;
}
