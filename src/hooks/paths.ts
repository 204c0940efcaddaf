import type { Payload } from './hook.ts';

/**
 * What a dotted path leads to: `label.name`, `commits.0.id`. A list without an index is gone
 * through (`issue.labels.name` are the names of all labels), so there may be several values, or
 * none. Only a payload's own keys count, never those that every object inherits.
 */
export function valuesAt(payload: Payload, path: string): unknown[] {
  let values: unknown[] = [payload];
  for (const step of path.split('.')) values = values.flatMap((value) => follow(value, step));
  return values.flatMap((value): unknown[] => (Array.isArray(value) ? value : [value]));
}

/** The first value of a path when it is text, as the fields of a provider's payload are. */
export function textAt(payload: Payload, path: string): string | null {
  const [value] = valuesAt(payload, path);
  return typeof value === 'string' ? value : null;
}

function follow(value: unknown, step: string): unknown[] {
  if (Array.isArray(value)) {
    return /^\d+$/.test(step)
      ? value.slice(Number(step), Number(step) + 1)
      : value.flatMap((item) => (Array.isArray(item) ? [] : follow(item, step)));
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return [];
  return [(value as Payload)[step]];
}
