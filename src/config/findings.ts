import { LooperError } from '../errors.ts';
import { SECRETS } from './schema.ts';

const LONGEST_SHOWN = 120;

/** Collects what is wrong while a configuration is read, so that everything is reported together. */
export class Findings {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];

  /** `allowed` continues the sentence: "must be …", "names a file that …". */
  problem(name: string, value: string, allowed: string): void {
    this.problems.push(`${assignment(name, value)} ${allowed}`);
  }

  warn(name: string, value: string, sentence: string): void {
    this.warnings.push(`${assignment(name, value)} ${sentence}`);
  }
}

/** All of them in one error; without any, nothing. */
export function throwProblems(problems: readonly string[], envFile: string | undefined): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const origin = envFile === undefined ? '' : ` (environment and ${envFile})`;
  const list = problems.map((problem) => `\n  ${problem}`).join('');
  throw new LooperError('CONFIG_INVALID', `The configuration has ${count}${origin}:${list}`, {
    details: { problems },
  });
}

function assignment(name: string, value: string): string {
  if (SECRETS.some((secret) => secret === name)) return `${name} (its value is not shown)`;
  const shown = value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value;
  return `${name}=${JSON.stringify(shown)}`;
}
