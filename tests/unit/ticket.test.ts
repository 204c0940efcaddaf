import { describe, expect, it } from 'vitest';
import { parseTicket, parseTicketName, setDone } from '../../src/tickets/ticket.ts';
import type { Problem, Ticket } from '../../src/tickets/ticket.ts';

const NAME = 'TICKET-007-fix-login.md';

function ticketOf(frontMatter: string, body = '', fileName = NAME): Ticket {
  const parsed = parseTicket(fileName, `---\n${frontMatter}\n---\n${body}`);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.ticket;
}

function problemsOf(frontMatter: string, fileName = NAME): readonly Problem[] {
  const parsed = parseTicket(fileName, `---\n${frontMatter}\n---\n`);
  return parsed.ok ? [] : parsed.problems;
}

describe('parseTicketName', () => {
  it.each([
    ['TICKET-001.md', 1, ''],
    ['ticket-0042-Fix It.MD', 42, 'Fix It'],
    ['TICKET-1000_x.md', 1000, 'x'],
    ['TICKET-001-..md', 1, ''],
    ['TICKET-002 -rf.md', 2, 'rf'],
  ])('reads %j', (fileName, number, slug) => {
    expect(parseTicketName(fileName)).toEqual({ number, slug });
  });

  it.each([
    'TICKET-01.md',
    'AGENTS.md',
    'TICKET-001.md.bak',
    'XTICKET-001.md',
    'TICKET-abc.md',
    '',
  ])('takes %j for no ticket', (fileName) => expect(parseTicketName(fileName)).toBeNull());
});

describe('parseTicket', () => {
  it('reads every key and keeps those of others', () => {
    const ticket = ticketOf(
      [
        'agent: user',
        'done: true',
        'ticket_id: tkt_0001',
        'title: "Fix: the login"',
        'goal: People can log in',
        'model: gpt-5.5',
        'reasoning: high',
        'profile: fast',
        'context:',
        '  - path: docs/spec.md',
        '    max_bytes: 100',
        '    required: true',
        '  - path: src/login.ts',
      ].join('\n'),
    );
    expect(ticket).toEqual({
      fileName: NAME,
      number: 7,
      id: 'tkt_0001',
      title: 'Fix: the login',
      agent: 'user',
      done: true,
      goal: 'People can log in',
      model: 'gpt-5.5',
      reasoning: 'high',
      context: [
        { path: 'docs/spec.md', max_bytes: 100, required: true },
        { path: 'src/login.ts', max_bytes: undefined, required: false },
      ],
      other: { profile: 'fast' },
    });
  });

  it('needs nothing but done', () => {
    expect(ticketOf('done: false')).toMatchObject({
      id: 'TICKET-007',
      title: 'fix-login',
      agent: 'codex',
      done: false,
      context: [],
      other: {},
    });
  });

  it.each([
    ['the key', 'done: false\ntitle: From the key', '# Heading\n', NAME, 'From the key'],
    [
      'the first heading',
      'done: false',
      'text\n## Second level \r\n# First\n',
      NAME,
      'Second level',
    ],
    ['the slug', 'done: false', 'text only', NAME, 'fix-login'],
    ['the id', 'done: false', '', 'TICKET-012.md', 'TICKET-012'],
    ['a number, as written', 'done: false\ntitle: 1.10', '', NAME, '1.10'],
    ['a date', 'done: false\ntitle: 2026-01-01', '', NAME, '2026-01-01'],
    ['a text of several lines', 'done: false\ntitle: |\n  a\n  b', '', NAME, 'a b'],
    ['a blank one', 'done: false\ntitle: " "', '# H', NAME, 'H'],
  ])('takes the title from %s', (_, frontMatter, body, fileName, title) => {
    expect(ticketOf(frontMatter, body, fileName).title).toBe(title);
  });

  it('makes a title one printable line of bounded length', () => {
    const nasty = ticketOf('done: false\ntitle: "a\\n\\e[31mb\\u202Ec\\0d"').title;
    expect(nasty).toBe('a [31mb c d');
    expect(ticketOf(`done: false\ntitle: ${'x'.repeat(5000)}`).title).toHaveLength(200);
  });

  it('takes empty values for absent ones', () => {
    expect(ticketOf('done: false\nagent:\ntitle:\nmodel: ""\ncontext:\nticket_id:')).toMatchObject({
      agent: 'codex',
      title: 'fix-login',
      model: undefined,
      context: [],
      id: 'TICKET-007',
    });
  });

  it.each([
    ['agent: codex', 'is missing', 2],
    ['agent: codex\ndone: "true"', 'is "true", not true or false', 3],
    ['done: yes', 'is "yes", not true or false', 2],
    ['done: 1', 'is 1, not true or false', 2],
    ['done:', 'is missing', 2],
    ['done: [true]', 'is [true], not true or false', 2],
    ['done: false\nticket_id: ab', 'is "ab", not a ticket id', 3],
    ['done: false\nticket_id: "a b c d e f"', 'is "a b c d e f", not a ticket id', 3],
    ['done: false\nticket_id: ""', 'is "", not a ticket id', 3],
    ['done: false\ntitle: [a]', 'is ["a"], not text', 3],
    ['done: false\nmodel: -c evil', 'is "-c evil", not a model name', 3],
    ["done: false\nreasoning: 'high\" x'", 'not a reasoning level', 3],
    ['done: false\ncontext: docs', 'is "docs", not a list', 3],
    ['done: false\ncontext:\n  - docs/a.md', 'is "docs/a.md", not a mapping with a path', 4],
    [
      'done: false\ncontext:\n  - path: a\n  - path: ../b',
      'entry 2, path is "../b", not a path inside',
      5,
    ],
    ['done: false\ncontext:\n  - path: /etc/passwd', 'not a path inside the workspace', 4],
    ['done: false\ncontext:\n  - path: a\\b', 'not a path inside the workspace', 4],
    ['done: false\ncontext:\n  - path: ""', 'not a path inside the workspace', 4],
    ['done: false\ncontext:\n  - path: a\n    max_bytes: 0', 'is 0, not at least 1', 5],
    ['done: false\ncontext:\n  - path: a\n    max_bytes: 1.5', 'is 1.5, not a number of bytes', 5],
    ['done: false\ncontext:\n  - path: a\n    required: "yes"', 'is "yes", not true or false', 5],
  ])('refuses %j', (frontMatter, message, line) => {
    const [problem, ...rest] = problemsOf(frontMatter);
    expect(rest).toEqual([]);
    expect(problem?.message).toContain(message);
    expect(problem?.line).toBe(line);
    expect(problem?.instead).not.toBe('');
  });

  it('reports every problem at once', () => {
    expect(problemsOf('done: no\nticket_id: x\nmodel: "a b"')).toHaveLength(3);
  });

  it('says that a broken ticket is done where that can be read', () => {
    const text = '---\ndone: true\nticket_id: x\n---\n';
    expect(parseTicket(NAME, text)).toMatchObject({ ok: false, done: true });
    expect(parseTicket(NAME, '---\ndone: yes\n---\n')).toMatchObject({ ok: false, done: null });
  });

  it.each([
    ['no front matter', '# Hello\n', 'first line is not "---"'],
    ['an unclosed one', '---\ndone: false\n', 'never closed'],
    ['an empty file', '', 'first line is not "---"'],
    ['an empty one', '---\n---\n', 'no keys'],
  ])('says what is wrong with %s', (_, text, message) => {
    const parsed = parseTicket(NAME, text);
    expect(parsed.ok ? [] : parsed.problems).toMatchObject([
      { message: expect.stringContaining(message) as string },
    ]);
  });

  it.each([
    ['TICKET-001-a\nb.md', 'characters that cannot be shown'],
    ['TICKET-001-\u202egpj.md', 'characters that cannot be shown'],
    [`TICKET-${'9'.repeat(20)}.md`, 'more than 15 digits'],
    ['notes.md', "no ticket's name"],
  ])('refuses the file name %j', (fileName, message) => {
    expect(problemsOf('done: false', fileName)[0]?.message).toContain(message);
  });

  it('keeps ids apart that stand for different numbers', () => {
    expect(ticketOf('done: false', '', 'TICKET-1000.md').id).toBe('TICKET-1000');
    expect(ticketOf('done: false', '', 'TICKET-0007-x.md').id).toBe('TICKET-007');
  });
});

describe('setDone', () => {
  it('marks done and open again without a trace', () => {
    const text =
      '\ufeff---\r\nagent:   codex # mine\r\ndone: false\r\n---\r\n\r\n# Title\r\ndone: false\r\n';
    const done = setDone(text, true);
    expect(done).toBe(text.replace('done: false', 'done: true'));
    expect(setDone(done, false)).toBe(text);
  });
});
