import { setTimeout as delay } from 'node:timers/promises';

/**
 * Polls until `probe` returns something truthy and returns that; fails with the label after the
 * deadline (milliseconds), so that a hanging test says what it waited for.
 */
export async function waitFor<T>(
  label: string,
  probe: () => T | Promise<T>,
  timeoutMs = 10_000,
  intervalMs = 10,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${label}`);
    }
    await delay(intervalMs);
  }
}
