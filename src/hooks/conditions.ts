import type { Conditions, Hook, HookRequest, Payload } from './hook.ts';
import { valuesAt } from './paths.ts';

const MAX_SHOWN = 200;

/** Why a delivery does not meet a hook's conditions, in one sentence; null when it meets them all. */
export function unmetCondition(
  { headers, payload }: Pick<Hook, 'headers' | 'payload'>,
  given: { readonly headers: HookRequest['headers']; readonly payload: Payload },
): string | null {
  return (
    firstUnmet('header', headers, (name) => {
      const value = given.headers[name.toLowerCase()];
      return value === undefined ? [] : [value];
    }) ?? firstUnmet('payload', payload, (path) => valuesAt(given.payload, path))
  );
}

function firstUnmet(
  where: string,
  conditions: Conditions,
  valuesOf: (key: string) => readonly unknown[],
): string | null {
  for (const [key, wanted] of Object.entries(conditions)) {
    const values = valuesOf(key);
    if (wanted.some((one) => isThere(one, values))) continue;
    const found = values.length === 0 ? 'is not there' : `is ${shown(values)}`;
    return `${where} ${key} ${found}, not ${wanted.map((one) => JSON.stringify(one)).join(' or ')}`;
  }
  return null;
}

/** As text, because headers and forms know no other type; null also stands for what is missing. */
function isThere(wanted: Conditions[string][number], values: readonly unknown[]): boolean {
  if (wanted === null) return values.every((value) => value === null);
  return values.some((value) => isScalar(value) && String(value) === String(wanted));
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

function shown(values: readonly unknown[]): string {
  const text = values.map((value) => JSON.stringify(value)).join(', ');
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
