import {
  type Document,
  LineCounter,
  type Node,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
} from 'yaml';
import { messageOf } from '../errors.ts';
import { isTooDeep } from '../tickets/mapping.ts';

/** What is wrong with the configuration file, where, and what to write instead. */
export interface Problem {
  /** From 1. */
  readonly line: number;
  readonly sentence: string;
}

export interface YamlFile {
  readonly values: Readonly<Record<string, unknown>>;
  /** The line of the key that a path leads to, or of the nearest thing above it. */
  lineOf(path: readonly PropertyKey[]): number;
}

export type ParsedYaml =
  | { readonly ok: true; readonly file: YamlFile }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export const MAX_CONFIG_BYTES = 256 * 1024;
const MAX_ALIASES = 100;
const MAX_SYNTAX_PROBLEMS = 10;

/** Parses YAML 1.2 of bounded length, depth and aliases; custom tags stay plain values. */
export function parseYaml(source: string): ParsedYaml {
  if (Buffer.byteLength(source) > MAX_CONFIG_BYTES) {
    return broken(`the file is larger than ${MAX_CONFIG_BYTES / 1024} KiB: make it smaller`);
  }
  if (isTooDeep(source)) return broken('values are nested too deep: write flat keys');
  const lines = new LineCounter();
  const document = parseDocument(source, {
    prettyErrors: false,
    // Warnings would go to the process (`process.emitWarning`), not to the reader of the file.
    logLevel: 'error',
    stringKeys: true,
    lineCounter: lines,
  });
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  if (document.errors.length > 0) {
    const problems = document.errors.slice(0, MAX_SYNTAX_PROBLEMS).map((error) => ({
      line: lineAt(error.pos[0]),
      sentence: `is not valid YAML: ${error.message.replaceAll(/\s+/g, ' ')}; quote a value that holds ": " or starts with a symbol`,
    }));
    return { ok: false, problems };
  }
  if (!isMap(document.contents)) {
    return broken('must hold keys: write hooks:, schedules: or channels: and a list below it');
  }
  try {
    const values = document.toJS({ maxAliasCount: MAX_ALIASES }) as Record<string, unknown>;
    return { ok: true, file: { values, lineOf: (path) => lineAt(offsetOf(document, path)) } };
  } catch (error) {
    return broken(`${messageOf(error)}; write the values out instead of aliases`);
  }
}

/** Follows a path as far as it leads; keys, not values, because a value may start a line later. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: Node | null | undefined = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else if (isSeq(node)) {
      node = node.items[Number(step)] as Node | undefined;
      offset = node?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

function broken(sentence: string): ParsedYaml {
  return { ok: false, problems: [{ line: 1, sentence }] };
}
