import { resolve } from 'node:path';
import type { SecretSource } from '../notify/secret-source.ts';
import type { Problems } from './problems.ts';

/** Reads what entries name as `<key>_file` or `<key>_env`, and remembers what was read. */
export interface SecretReader {
  readonly names: readonly string[];
  readonly values: readonly string[];
  readonly files: readonly string[];
  readonly warnings: readonly string[];
  /** Of `secret_file` and `secret_env`, which have to be exactly one; null: a problem was added. */
  readOne(
    entry: { readonly secret_file?: string | undefined; readonly secret_env?: string | undefined },
    path: readonly PropertyKey[],
  ): string | null;
  /** Every such key of an entry, for the sake of the problems and the values. */
  readAll(entry: object, path: readonly PropertyKey[]): void;
}

export function createSecretReader(
  source: SecretSource,
  directory: string,
  problems: Problems,
): SecretReader {
  const names: string[] = [];
  const values: string[] = [];
  const files: string[] = [];
  const warnings: string[] = [];

  const read = (key: string, name: string, path: readonly PropertyKey[]): string | null => {
    const isFile = key.endsWith('_file');
    if (isFile) files.push(resolve(directory, name));
    else names.push(name);
    const secret = isFile ? source.file(name) : source.variable(name);
    if (secret.kind === 'missing') {
      problems.add([...path, key], `names no secret: ${secret.why}`);
      return null;
    }
    values.push(secret.value);
    if (secret.warning !== null) warnings.push(secret.warning);
    return secret.value;
  };

  return {
    names,
    values,
    files,
    warnings,
    readOne: ({ secret_file, secret_env }, path) => {
      if (secret_file !== undefined && secret_env === undefined) {
        return read('secret_file', secret_file, path);
      }
      if (secret_env !== undefined && secret_file === undefined) {
        return read('secret_env', secret_env, path);
      }
      problems.add(path, 'needs exactly one of secret_file: <path> and secret_env: <VARIABLE>');
      return null;
    },
    readAll: (entry, path) => {
      for (const [key, name] of Object.entries(entry)) {
        if (/_(?:file|env)$/.test(key) && typeof name === 'string') read(key, name, path);
      }
    },
  };
}
