import { inert, inertLine } from '../render/inert.ts';
import type { LogItem } from '../render/items.ts';
import type { StreamEvent } from './stream.ts';

/** Shows an item of a run log. What it holds comes from an agent: it is only ever text. */
export function elementOf(item: LogItem): HTMLElement | null {
  const shown = contentOf(item);
  if (shown === null) return null;
  const [extra, ...children] = shown;
  const element = el('div', `item ${item.kind} ${extra}`, ...children);
  return element;
}

/** What a reader of the log would miss of a run's lifecycle; null for the rest. */
export function noticeOf({ event, data }: StreamEvent): HTMLElement | null {
  const words = (name: string): string => (typeof data[name] === 'string' ? data[name] : '');
  const tell = (text: string): HTMLElement => el('div', 'item looper', text);
  switch (event) {
    case 'message':
    case 'question':
      return tell(`${event}: ${inertLine(words('title'))}\n${inert(words('text'))}`.trim());
    case 'warning':
      return tell(`warning: ${inertLine(words('message'))}`);
    case 'stopping':
      return tell(`stopping (${inertLine(words('reason'))})`);
    default:
      return null;
  }
}

type Child = Node | string;

/** A class, then what the item consists of. */
function contentOf(item: LogItem): [string, ...Child[]] | null {
  switch (item.kind) {
    case 'header':
      return ['', `in ${item.workspace}`];
    case 'turn':
      return ['', `Turn ${item.number}: ${item.ticket}`];
    case 'message':
    case 'reasoning':
    case 'text':
      return ['', item.text];
    case 'command':
      return ['', commandOf(item)];
    case 'file_change': {
      const changes = item.changes.map(({ path, kind }) => el('li', '', `${signOf(kind)} ${path}`));
      const failed = item.state === 'failed' ? [el('span', 'failed', 'the change failed')] : [];
      return ['', el('ul', 'path', ...changes), ...failed];
    }
    case 'plan': {
      const steps = item.steps.map(({ text, done }) =>
        el('li', done ? 'done' : '', `${done ? '☑' : '☐'} ${text}`),
      );
      return ['', el('ul', '', ...steps)];
    }
    case 'tool':
      return [item.state === 'failed' ? 'failed' : '', `tool ${item.name}${stateOf(item.state)}`];
    case 'search':
      return ['', `search: ${item.query}`];
    case 'error':
      return [item.isFinal ? 'final' : '', item.message];
    case 'usage': {
      if (item.usage === null) return null;
      const { input_tokens: read, output_tokens: written } = item.usage;
      return ['', `tokens of this thread: ${read} in, ${written} out`];
    }
    case 'other':
      return ['', `(${item.name})`];
    case 'trailer':
      return [
        '',
        item.returnCode === null
          ? `ended: ${item.outcome ?? 'unknown'}`
          : `the agent ended with code ${item.returnCode}`,
      ];
  }
  return item satisfies never;
}

function commandOf(item: LogItem & { kind: 'command' }): HTMLElement {
  const code = item.exitCode !== null && item.exitCode !== 0 ? ` — exit code ${item.exitCode}` : '';
  const state = el('span', item.state === 'failed' ? 'failed' : '', code || stateOf(item.state));
  const summary = el('summary', '', `$ ${item.command}`, state);
  const output = item.output.replace(/\n+$/, '');
  const note = item.isCut ? '\n… cut here; the raw log has all of it' : '';
  const pre = el('pre', '', output === '' && note === '' ? '(no output)' : output + note);
  const details = el('details', '', summary, pre);
  // What failed is what somebody looks for.
  if (item.state === 'failed') details.setAttribute('open', '');
  return details;
}

function stateOf(state: string): string {
  return state === 'running' ? ' — running' : state === 'failed' ? ' — failed' : '';
}

function signOf(kind: string): string {
  return kind === 'add' ? '+' : kind === 'delete' ? '−' : '~';
}

function el(tag: string, className: string, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  if (className.trim() !== '') element.className = className.trim();
  // `append` makes a text of a string, never markup.
  element.append(...children);
  return element;
}
