import { resolve } from 'node:path';
import { readSmallFile } from '../config/small-file.ts';

/** Where the values come from that the configuration file only names. */
export interface SecretSource {
  /** The value, or why there is none, continuing the sentence that names file or variable. */
  file(path: string): Secret;
  variable(name: string): Secret;
}

export type Secret =
  | { readonly kind: 'found'; readonly value: string; readonly warning: string | null }
  | { readonly kind: 'missing'; readonly why: string };

/** Relative paths start at `directory`, the one of the configuration file. */
export function createSecretSource(options: {
  readonly directory: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Refuses what an agent could write; returns why. */
  readonly refuse?: (path: string) => string | null;
}): SecretSource {
  return {
    file: (given) => {
      const path = resolve(options.directory, given);
      const refusal = options.refuse?.(path) ?? null;
      if (refusal !== null) return { kind: 'missing', why: refusal };
      const file = readSmallFile(path);
      if (file.kind === 'missing') return { kind: 'missing', why: `${path} does not exist` };
      if (file.kind === 'unusable') return { kind: 'missing', why: `${path} ${file.why}` };
      const value = file.text.trim();
      if (value === '') return { kind: 'missing', why: `${path} is empty` };
      const warning = file.readableByOthers ? `${path} is readable by others: chmod 600 it` : null;
      return { kind: 'found', value, warning };
    },
    variable: (name) => {
      const value = options.variables[name]?.trim() ?? '';
      if (value === '') return { kind: 'missing', why: `the variable ${name} is not set` };
      return { kind: 'found', value, warning: null };
    },
  };
}
