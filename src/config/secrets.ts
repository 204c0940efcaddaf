import type { Findings } from './findings.ts';
import type { ConfigSources, Given } from './sources.ts';
import { FILE_SECRETS } from './schema.ts';
import { readSmallFile } from './small-file.ts';
import { absolutePath } from './sources.ts';

/** The variables, with each `<NAME>_FILE` replaced by `<NAME>` and what its file holds. */
export function resolveFileSecrets(
  given: Given,
  sources: ConfigSources,
  findings: Findings,
): Given {
  const resolved: Record<string, string> = { ...given };
  for (const name of FILE_SECRETS) {
    const fileVariable = `${name}_FILE`;
    const path = given[fileVariable];
    if (path === undefined) continue;
    if (given[name] !== undefined) {
      findings.problem(fileVariable, path, `and ${name} are both set: keep one of them`);
      continue;
    }
    const secret = readSecret(fileVariable, absolutePath(path, sources), findings);
    if (secret !== undefined) resolved[name] = secret;
  }
  return resolved;
}

function readSecret(variable: string, path: string, findings: Findings): string | undefined {
  const file = readSmallFile(path);
  if (file.kind !== 'read') {
    const why = file.kind === 'missing' ? 'must be an existing file' : file.why;
    findings.problem(variable, path, why);
    return undefined;
  }
  const secret = file.text.trim();
  if (secret === '') {
    findings.problem(variable, path, 'is empty: write the secret into it');
    return undefined;
  }
  if (file.readableByOthers) {
    findings.warn(variable, path, 'is readable by others: chmod 600 it');
  }
  return secret;
}
