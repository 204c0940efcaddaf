import { LooperError, messageOf } from '../errors.ts';

/** `info`: nothing to mend, and good to know. */
export type Level = 'ok' | 'info' | 'warning' | 'error';

/** One line about one thing that `looper doctor` looked at. */
export interface Finding {
  /** `<area>.<thing>`, stable, for scripts. */
  readonly id: string;
  readonly level: Level;
  readonly what: string;
  /** One line; what is not `ok` nearly always has one. */
  readonly todo?: string;
}

export function ok(id: string, what: string): Finding {
  return { id, level: 'ok', what };
}

export function info(id: string, what: string, todo?: string): Finding {
  return { id, level: 'info', what, ...(todo === undefined ? {} : { todo }) };
}

export function warning(id: string, what: string, todo: string): Finding {
  return { id, level: 'warning', what, todo };
}

export function failure(id: string, what: string, todo: string): Finding {
  return { id, level: 'error', what, todo };
}

export function countLevels(findings: readonly Finding[]): Readonly<Record<Level, number>> {
  const counts = { ok: 0, info: 0, warning: 0, error: 0 };
  for (const { level } of findings) counts[level] += 1;
  return counts;
}

/**
 * What a check finds; one that throws becomes a finding itself, so that the others still count. A
 * `LooperError` says what to do in its own sentence.
 */
export async function guarded(
  id: string,
  check: () => readonly Finding[] | Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    const what = messageOf(error);
    if (error instanceof LooperError) return [{ id, level: 'error', what }];
    return [
      failure(
        id,
        `could not be looked at: ${what}`,
        'Mend what it says, then ask the doctor again',
      ),
    ];
  }
}
