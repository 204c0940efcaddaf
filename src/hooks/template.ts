import { cutToLimit, neutraliseControls } from '../notify/text.ts';
import { inertWildcards } from '../notify/zulip-text.ts';
import type { Payload } from './hook.ts';
import { valuesAt } from './paths.ts';

const PLACEHOLDER = /\{\{\s*([^{}\s]+)\s*\}\}/gu;

/** Of one value and of the whole, in code points: a headline is read in a chat, a prompt by a model. */
const LIMITS = {
  message: { value: 1_000, whole: 4_000 },
  prompt: { value: 50_000, whole: 500_000 },
} as const;

export interface Filled {
  readonly text: string;
  /** Paths that lead to nothing in this payload. */
  readonly missing: readonly string[];
}

/** What is wrong with a template, in one sentence; null when it can be filled in. */
export function templateProblem(template: string): string | null {
  const rest = template.replaceAll(PLACEHOLDER, '');
  return /\{\{|\}\}/.test(rest)
    ? 'has {{ or }} that enclose no path: write {{issue.title}}, with a dotted path and nothing else'
    : null;
}

/**
 * Puts values of a payload into a template. They are data: filled in once and never looked at
 * again, so a value that holds `{{…}}` stays as it is; bounded in length; without control
 * characters; and none of them wakes a whole channel. What leads to nothing becomes nothing.
 */
export function fillTemplate(template: string, payload: Payload, use: keyof typeof LIMITS): Filled {
  const limits = LIMITS[use];
  const missing: string[] = [];
  const text = template.replaceAll(PLACEHOLDER, (_whole, path: string) => {
    const values = valuesAt(payload, path).filter((value) => value !== null);
    if (values.length === 0) missing.push(path);
    const text = values.map(asText).join(', ');
    // Most of a long one is not needed, and looking at all of it would take its time.
    const value = neutraliseControls(text.slice(0, limits.value * 4));
    return cutToLimit(use === 'message' ? inertWildcards(value) : value, limits.value, '…');
  });
  // The template's words and a value may only together make a mention (`@**{{who}}**`).
  const own = use === 'message' && inertWildcards(template) === template;
  const whole = own ? inertWildcards(text) : text;
  return { text: cutToLimit(whole, limits.whole, '…'), missing };
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
