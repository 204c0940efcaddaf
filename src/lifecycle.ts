import { messageOf } from './errors.ts';

export interface Lifecycle {
  /** Registers how to close what has just been opened. */
  onClose(name: string, close: () => void | Promise<void>): void;
  /**
   * Closes everything, newest first, once, past failures; rejects with one `AggregateError` at
   * the end. Later calls share the first one.
   */
  close(): Promise<void>;
}

export function createLifecycle(): Lifecycle {
  const open: { name: string; close: () => void | Promise<void> }[] = [];
  let closing: Promise<void> | undefined;

  const closeAll = async (): Promise<void> => {
    const failures: Error[] = [];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      try {
        await next.close();
      } catch (error) {
        failures.push(new Error(`${next.name}: ${messageOf(error)}`, { cause: error }));
      }
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, `could not close ${failures.map(String).join('; ')}`);
    }
  };

  return {
    onClose: (name, close) => open.push({ name, close }),
    close: () => (closing ??= closeAll()),
  };
}
