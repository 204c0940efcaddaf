import { basename } from 'node:path';

/** A process that is one `codex exec`, launcher or native binary. */
export interface CodexExec {
  /** The value of `-C`/`--cd`, as given; null: the process works in its current directory. */
  readonly workspace: string | null;
}

// The options of codex 0.169 that stand before the subcommand.
const WITH_VALUE = new Set(
  `-c --config -m --model -p --profile -s --sandbox -a --ask-for-approval -C --cd --add-dir
   --enable --disable --local-provider --remote --remote-auth-token-env`.split(/\s+/),
);
const WITH_VALUES = new Set(['-i', '--image']);
const WITHOUT_VALUE = new Set(
  `--oss --search --no-alt-screen --full-auto --yolo --approve-for-me
   --dangerously-bypass-approvals-and-sandbox`.split(/\s+/),
);
const NODE_WITH_VALUE = new Set(
  `-r --require --import -C --conditions --loader --experimental-loader`.split(' '),
);

/**
 * Recognises `codex exec` by its exact arguments: a program called `codex`, or node running a script
 * of that name, whose first word behind the global options is `exec` or `e`. Never by a pattern over
 * the joined line, which takes a grep, an editor or a shell for an agent and misses
 * `codex --ask-for-approval never exec`. Null for everything else; in doubt (an option of a codex
 * that we do not know stands before a word) null too.
 */
export function parseCodexExec(argv: readonly string[]): CodexExec | null {
  const args = codexArguments(argv);
  if (args === null) return null;
  const subcommand = findSubcommand(args);
  if (subcommand === null) return null;
  const before = readWorkspace(args.slice(0, subcommand));
  const behind = readWorkspace(args.slice(subcommand + 1));
  return { workspace: behind ?? before };
}

/** What follows the program's name, or null when the program is not codex. */
function codexArguments(argv: readonly string[]): readonly string[] | null {
  const program = basename(argv[0] ?? '');
  if (program === 'codex') return argv.slice(1);
  if (program !== 'node' && program !== 'nodejs') return null;
  for (let at = 1; at < argv.length; at += 1) {
    const arg = argv[at] ?? '';
    if (!arg.startsWith('-')) return isCodexScript(arg) ? argv.slice(at + 1) : null;
    // Code or standard input in place of a script: what follows are its arguments.
    if (/^(-|-[ep]+|--(eval|print)(=.*)?)$/s.test(arg)) return null;
    if (NODE_WITH_VALUE.has(arg)) at += 1;
  }
  return null;
}

function isCodexScript(path: string): boolean {
  return basename(path) === 'codex' || basename(path) === 'codex.js';
}

/** The index of `exec` or `e` where that is the first word, else null. */
function findSubcommand(args: readonly string[]): number | null {
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (!arg.startsWith('-')) return arg === 'exec' || arg === 'e' ? at : null;
    // Behind these, words are a prompt for the interactive codex.
    if (arg === '--' || arg === '-') return null;
    if (WITH_VALUE.has(arg)) at += 1;
    else if (WITH_VALUES.has(arg)) at = lastOfWords(args, at);
    else if (!hasAttachedValue(arg) && !WITHOUT_VALUE.has(arg) && isWord(args[at + 1])) return null;
  }
  return null;
}

/** `-i one.png two.png`: codex takes every word up to the next option for a file, `exec` too. */
function lastOfWords(args: readonly string[], option: number): number {
  let last = option;
  while (isWord(args[last + 1])) last += 1;
  return last;
}

function isWord(arg: string | undefined): boolean {
  return arg !== undefined && !arg.startsWith('-');
}

/** `--model=gpt-5`, `-mgpt-5`, `-m=gpt-5`. */
function hasAttachedValue(arg: string): boolean {
  if (arg.startsWith('--')) return arg.includes('=');
  const option = arg.slice(0, 2);
  return arg.length > 2 && (WITH_VALUE.has(option) || WITH_VALUES.has(option));
}

/** The last `-C`, `-C=`, `--cd` or `--cd=` in front of a `--`. */
function readWorkspace(args: readonly string[]): string | null {
  let workspace: string | null = null;
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--') break;
    if (arg === '-C' || arg === '--cd') workspace = args[(at += 1)] ?? workspace;
    else if (WITH_VALUE.has(arg)) at += 1;
    else workspace = /^(?:--cd=|-C=?)(.+)$/s.exec(arg)?.[1] ?? workspace;
  }
  return workspace;
}
