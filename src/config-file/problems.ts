import type { z } from 'zod';
import { LooperError } from '../errors.ts';
import { NEXT_KEY } from './schema.ts';
import type { Problem, YamlFile } from './yaml.ts';

type Path = readonly PropertyKey[];

/** Collects what is wrong below the syntax, each with the line of the key that it is about. */
export class Problems {
  readonly list: Problem[] = [];
  readonly #file: YamlFile;

  constructor(file: YamlFile) {
    this.#file = file;
  }

  /** `rest` continues the sentence that begins with the key: "is missing: write …". */
  add(path: Path, rest: string): void {
    const key = path.length === 0 ? 'the file' : shownPath(path);
    this.list.push({ line: this.#file.lineOf(path), sentence: `${key} ${rest}` });
  }

  /** `base` leads to what was parsed. */
  addIssues(issues: readonly z.core.$ZodIssue[], base: Path): void {
    for (const issue of issues) {
      const path = [...base, ...issue.path];
      if (issue.code !== 'unrecognized_keys') {
        this.add(path, issue.message);
        continue;
      }
      const sentences = issue.message.split(NEXT_KEY);
      for (const [index, key] of issue.keys.entries()) {
        const sentence = sentences[index];
        if (sentence !== undefined) this.add([...path, key], sentence);
      }
    }
  }
}

/** All problems in one error, in the order of their lines. */
export function configFileError(path: string, problems: readonly Problem[]): LooperError {
  const sorted = problems.toSorted((a, b) => a.line - b.line);
  const list = sorted.map(({ line, sentence }) => `\n  line ${line}: ${sentence}`).join('');
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  return new LooperError('CONFIG_INVALID', `LOOPER_CONFIG_FILE ${path} has ${count}:${list}`, {
    details: { problems: sorted },
  });
}

/** `hooks[0].verify.type` */
function shownPath(path: Path): string {
  return path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`,
    )
    .join('');
}
