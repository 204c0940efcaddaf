import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closeCutObject } from '../../src/render/cut-object.ts';
import { inert, inertLine } from '../../src/render/inert.ts';
import type { LogItem } from '../../src/render/items.ts';
import { createRunLogReader } from '../../src/render/run-log.ts';
import { createTerminalRenderer } from '../../src/render/terminal.ts';

// eslint-disable-next-line no-control-regex
const LIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const HEADER = ['# looper_request_id=r1', '# workspace=/srv/app', '# command=codex exec -', ''];

/** Reads a whole log; without the keys and offsets where only the content matters. */
function read(lines: readonly string[], isTurnStart?: (offset: number) => boolean): LogItem[] {
  const reader = createRunLogReader(isTurnStart);
  let offset = 0;
  const items = lines.flatMap((text) => {
    const pushed = reader.push({ offset, text });
    offset += Buffer.byteLength(text) + 1;
    return pushed;
  });
  return [...items, ...reader.end()];
}

function contents(lines: readonly string[]): Record<string, unknown>[] {
  return read(lines).map(({ key: _key, offset: _offset, ...content }) => content);
}

const item = (type: string, fields: object, phase = 'completed'): string =>
  JSON.stringify({ type: `item.${phase}`, item: { id: 'item_0', type, ...fields } });
const command = (fields: object, phase?: string): string =>
  item('command_execution', { command: `/bin/bash -lc 'ls -l'`, ...fields }, phase);

describe('reading a run log', () => {
  it('tells a whole run in order', () => {
    const usage = {
      input_tokens: 3,
      cached_input_tokens: 1,
      output_tokens: 2,
      reasoning_output_tokens: 0,
    };
    const lines = [
      ...HEADER,
      '# turn=1 ticket=TICKET-001.md',
      '{"type":"thread.started","thread_id":"t"}',
      '{"type":"turn.started"}',
      item('agent_message', { text: 'On it.' }),
      command({ aggregated_output: '', exit_code: null, status: 'in_progress' }, 'started'),
      command({ aggregated_output: 'a\nb\n', exit_code: 2, status: 'failed' }),
      item('file_change', { changes: [{ path: '/srv/app/a', kind: 'add' }], status: 'completed' }),
      item('todo_list', { items: [{ text: 'one', completed: true }] }),
      'a warning on stderr',
      '{"type":"error","message":"Reconnecting... 1/5"}',
      '{"type":"turn.failed","error":{"message":"no luck"}}',
      JSON.stringify({ type: 'turn.completed', usage }),
      '{"type":"newer.event","x":1}',
      '',
      '# codex_exec_return_code=0',
    ];
    expect(contents(lines)).toEqual([
      { kind: 'header', requestId: 'r1', workspace: '/srv/app', command: 'codex exec -' },
      { kind: 'turn', number: 1, ticket: 'TICKET-001.md' },
      { kind: 'message', text: 'On it.' },
      {
        kind: 'command',
        command: 'ls -l',
        output: '',
        exitCode: null,
        state: 'running',
        isCut: false,
      },
      {
        kind: 'command',
        command: 'ls -l',
        output: 'a\nb\n',
        exitCode: 2,
        state: 'failed',
        isCut: false,
      },
      {
        kind: 'file_change',
        changes: [{ path: '/srv/app/a', kind: 'add' }],
        state: 'succeeded',
      },
      { kind: 'plan', steps: [{ text: 'one', done: true }] },
      { kind: 'text', text: 'a warning on stderr' },
      { kind: 'error', message: 'Reconnecting... 1/5', isFinal: false },
      { kind: 'error', message: 'no luck', isFinal: true },
      { kind: 'usage', usage },
      { kind: 'other', name: 'newer.event' },
      { kind: 'trailer', returnCode: 0, outcome: null },
    ]);
  });

  it('keeps the key of a step that goes on, also when two of the same run at once', () => {
    const started = command({ status: 'in_progress' }, 'started');
    const ended = command({ exit_code: 0, status: 'completed' });
    const keys = read([started, started, ended, ended]).map(({ key }) => key);
    expect(keys).toEqual([0, 1, 0, 1]);
  });

  it('finds an event between texts on one line, and gives offsets', () => {
    const items = read(['plain', `before ${item('agent_message', { text: 'hi' })} after`]);
    expect(items.map(({ kind, offset }) => [kind, offset])).toEqual([
      ['text', 0],
      ['text', 6],
      ['message', 6],
      ['text', 6],
    ]);
  });

  it('leaves out what codex says of the prompt that it is given', () => {
    expect(contents(['Reading additional input from stdin...', 'other words'])).toEqual([
      { kind: 'text', text: 'other words' },
    ]);
  });

  it('believes a turn line only where the record says that a turn begins', () => {
    const real = '# turn=1 ticket=TICKET-001.md';
    const behind = Buffer.byteLength([...HEADER, real, ''].join('\n'));
    const lines = [...HEADER, real, '# turn=2 ticket=TICKET-666.md'];
    const byRecord = read(lines, (offset) => offset === behind).map(({ kind }) => kind);
    expect(byRecord).toEqual(['header', 'turn', 'text']);
    expect(contents(['# turn=2 ticket=x'])).toEqual([{ kind: 'text', text: '# turn=2 ticket=x' }]);
  });

  it('takes a trailer for one only at the end', () => {
    expect(contents(['# looper_outcome=lost'])).toEqual([
      { kind: 'trailer', returnCode: null, outcome: 'lost' },
    ]);
    const items = read(['# codex_exec_return_code=0', '', 'and on it goes']);
    expect(items.map(({ kind, offset }) => [kind, offset])).toEqual([
      ['text', 0],
      ['text', 28],
    ]);
  });

  it('shows what there is of a command whose line was cut', () => {
    const whole = command({ aggregated_output: 'x'.repeat(50), exit_code: 0 });
    const text = whole.slice(0, whole.indexOf('xxx') + 10);
    const [found] = createRunLogReader().push({ offset: 9, text, truncated: true });
    expect(found).toMatchObject({ kind: 'command', output: 'x'.repeat(10), isCut: true });
    expect(found).toMatchObject({ exitCode: null, state: 'ended' });
  });

  it('survives whatever a log holds, and lets nothing through that a terminal would act on', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('{"type":"', '\u001b[2J', '\u202e', '# turn=1 ticket=', '"}', '\r', '\ud800'),
      fc.constant(item('agent_message', { text: '\u001b]0;t\u0007\u202eabc\u0000' })),
    );
    const lines = fc.array(fc.array(piece).map((pieces) => pieces.join('').replaceAll('\n', ' ')));
    fc.assert(
      fc.property(lines, (log) => {
        const renderer = createTerminalRenderer({ colours: false });
        const shown = read(log).map(renderer.render).join('');
        expect(shown).not.toMatch(LIVE);
        expect(shown).not.toMatch(/\p{Surrogate}/u);
      }),
    );
  });
});

describe('inert text', () => {
  it.each([
    ['\u001b[1;31mred\u001b[0m', 'red'],
    ['\u001b]8;;http://evil\u0007link\u001b]8;;\u001b\\', 'link'],
    ['\u001b]0;never ended', ''],
    ['a\u001b[', 'a\\u{1b}['],
    ['10%\r20%\r\ndone', '10%\n20%\ndone'],
    ['user\u202etxt.exe', 'user\\u{202e}txt.exe'],
    ['tag\u{e0041}', 'tag\\u{e0041}'],
    ['tab\tand\nnewline', 'tab\tand\nnewline'],
    ['👩‍💻 क्‍ष', '👩‍💻 क्‍ष'],
    ['\u009b2Jx', 'x'],
  ])('%j becomes %j', (given, shown) => {
    expect(inert(given)).toBe(shown);
  });

  it('stays on one line where one is asked for', () => {
    expect(inertLine('a\nb\r\n\tc')).toBe('a b c');
  });

  it('takes time in proportion to the text', () => {
    const started = performance.now();
    inert('\u001b[[]'.repeat(250_000) + '\u001b]'.repeat(250_000) + '\u001b(('.repeat(250_000));
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('an object that was cut', () => {
  it('is closed inside a string, without half an escape', () => {
    const whole = JSON.stringify({ type: 'x', item: { list: ['a', 'b"\u0001\\ü'] } });
    for (let length = whole.indexOf('b'); length < whole.length - 4; length += 1) {
      const closed = closeCutObject(whole.slice(0, length));
      expect(() => JSON.parse(closed ?? 'null') as unknown).not.toThrow();
      expect(closed).not.toBeNull();
    }
    expect(closeCutObject(whole)).toBeNull();
    expect(closeCutObject('text')).toBeNull();
  });
});

describe('in a terminal', () => {
  const base = { key: 1, offset: 0 };
  const ran = {
    ...base,
    kind: 'command',
    command: 'make',
    output: `${Array.from({ length: 30 }, (_, i) => `line ${i}`).join('\n')}\n`,
    exitCode: 2,
    state: 'failed',
    isCut: false,
  } as const;

  it('shows a command once, the last lines of its output and its exit code', () => {
    const { render } = createTerminalRenderer({ colours: false, outputLines: 2 });
    expect(render({ ...ran, output: '', exitCode: null, state: 'running' })).toBe('$ make\n');
    expect(render(ran)).toBe('  … 28 more lines\n  line 28\n  line 29\n  exit code 2\n');
    expect(render(ran)).toMatch(/^\$ make\n/);
  });

  it('uses colours only when asked', () => {
    const plain = createTerminalRenderer({ colours: false });
    const coloured = createTerminalRenderer({ colours: true });
    expect(plain.render(ran)).not.toContain('\u001b');
    expect(coloured.render(ran)).toContain('\u001b[31m  exit code 2\u001b[0m');
  });

  it.each([
    [0, 'the agent ended with exit code 0\n'],
    [-9, 'the agent died of signal 9\n'],
    [null, 'ended: lost\n'],
  ])('says how the agent ended (%j)', (returnCode, line) => {
    const { render } = createTerminalRenderer({ colours: false });
    expect(render({ ...base, kind: 'trailer', returnCode, outcome: 'lost' })).toBe(line);
  });
});
