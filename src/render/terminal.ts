import type { LogItem, StepState } from './items.ts';

export interface TerminalOptions {
  readonly colours: boolean;
  /** Lines of a command's output that are shown, the last ones; default 20. */
  readonly outputLines?: number;
}

export interface TerminalRenderer {
  /** The lines that an item adds, each ended by a newline; '' when there is nothing new to say. */
  render(item: LogItem): string;
}

const DEFAULT_OUTPUT_LINES = 20;
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
type Style = keyof typeof CODES;

/**
 * Renders items for a person at a terminal, which cannot take back what it has shown: a command is
 * shown when it begins, and its output and exit code when it has ended.
 */
export function createTerminalRenderer(options: TerminalOptions): TerminalRenderer {
  const outputLines = options.outputLines ?? DEFAULT_OUTPUT_LINES;
  const paint = (text: string, ...styles: Style[]): string =>
    options.colours && text !== ''
      ? `${styles.map((style) => `\u001b[${CODES[style]}m`).join('')}${text}\u001b[0m`
      : text;
  /** Keys of steps that were shown when they began. */
  const begun = new Set<number>();

  const commandLines = (item: LogItem & { kind: 'command' }): string[] => {
    const title = [paint(`$ ${indented(item.command)}`, 'cyan')];
    if (item.state === 'running') {
      begun.add(item.key);
      return title;
    }
    const all = item.output.replace(/\n+$/, '').split('\n');
    const shown = item.output === '' ? [] : all.slice(-outputLines);
    const left = item.output === '' ? 0 : all.length - shown.length;
    return [
      ...(begun.delete(item.key) ? [] : title),
      ...(left > 0 ? [paint(`  … ${left} more ${left === 1 ? 'line' : 'lines'}`, 'dim')] : []),
      ...shown.map((line) => paint(`  ${line}`, 'dim')),
      ...(item.isCut ? [paint('  … cut here; the raw log has all of it', 'dim')] : []),
      ...exitLine(item.exitCode, item.state),
    ];
  };

  const exitLine = (exitCode: number | null, state: StepState): string[] => {
    if (exitCode !== null && exitCode !== 0) return [paint(`  exit code ${exitCode}`, 'red')];
    return state === 'failed' ? [paint('  failed', 'red')] : [];
  };

  const lines = (item: LogItem): string[] => {
    switch (item.kind) {
      case 'header':
        return [paint(`in ${item.workspace}`, 'dim'), paint(item.command, 'dim')];
      case 'turn':
        return ['', paint(`── turn ${item.number}: ${item.ticket}`, 'bold')];
      case 'message':
        return item.text.split('\n');
      case 'reasoning':
        return item.text.split('\n').map((line) => paint(line, 'dim'));
      case 'command':
        return commandLines(item);
      case 'file_change':
        // Its start says nothing that its end does not.
        if (item.state === 'running') return [];
        return [
          ...item.changes.map(({ path, kind }) => `${paint(changeSign(kind), 'green')} ${path}`),
          ...(item.state === 'failed' ? [paint('  the change failed', 'red')] : []),
        ];
      case 'plan':
        return item.steps.map(
          ({ text, done }) => `${done ? paint('[x]', 'green') : '[ ]'} ${text}`,
        );
      case 'tool':
        if (item.state !== 'running' && begun.delete(item.key)) {
          return item.state === 'failed' ? [paint(`  ${item.name} failed`, 'red')] : [];
        }
        if (item.state === 'running') begun.add(item.key);
        return [paint(`tool ${item.name}`, 'cyan'), ...exitLine(null, item.state)];
      case 'search':
        return [paint(`search ${item.query}`, 'cyan')];
      case 'error':
        return [paint(item.message, item.isFinal ? 'red' : 'yellow')];
      case 'usage':
        return item.usage === null ? [] : [paint(usageLine(item.usage), 'dim')];
      case 'text':
        return item.text.split('\n').map((line) => paint(line, 'dim'));
      case 'other':
        return [paint(`(${item.name})`, 'dim')];
      case 'trailer':
        return [paint(trailerLine(item), item.returnCode === 0 ? 'green' : 'red')];
    }
    return item satisfies never;
  };

  return {
    render: (item) =>
      lines(item)
        .map((line) => `${line}\n`)
        .join(''),
  };
}

function indented(text: string): string {
  return text.replaceAll('\n', '\n  ');
}

function changeSign(kind: string): string {
  return kind === 'add' ? '+' : kind === 'delete' ? '-' : '~';
}

function usageLine(usage: {
  readonly input_tokens: number;
  readonly cached_input_tokens: number;
  readonly output_tokens: number;
}): string {
  const { input_tokens: read, cached_input_tokens: cached, output_tokens: written } = usage;
  return `tokens of this thread: ${read} in (${cached} cached), ${written} out`;
}

function trailerLine(item: LogItem & { kind: 'trailer' }): string {
  if (item.returnCode === null) return `ended: ${item.outcome ?? 'unknown'}`;
  return item.returnCode < 0
    ? `the agent died of signal ${-item.returnCode}`
    : `the agent ended with exit code ${item.returnCode}`;
}
