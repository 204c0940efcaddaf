import { describe, expect, it } from 'vitest';
import { fixTicketText } from '../../src/tickets/fix.ts';
import { parseTicket } from '../../src/tickets/ticket.ts';

const NAME = 'TICKET-001.md';

describe('fixTicketText', () => {
  it.each([
    ['---\ndone: yes\n---\nb\n', '---\ndone: true\n---\nb\n'],
    ['---\ndone: "no" # x\n---\n', '---\ndone: false # x\n---\n'],
    ['---\r\ndone: 1\r\n---\r\n', '---\r\ndone: true\r\n---\r\n'],
    ['---\ndone: 0\n---\n', '---\ndone: false\n---\n'],
    ['---\ndone: "TRUE "\n---\n', '---\ndone: true\n---\n'],
    ['---\ndone: N\nagent: " codex "\n---\n', '---\ndone: false\nagent: codex\n---\n'],
    [
      '---\ndone: false\nticket_id: " abc123 "\n---\n',
      '---\ndone: false\nticket_id: abc123\n---\n',
    ],
    ['---\ndone: false\n\n# Title\n', '---\ndone: false\n---\n\n# Title\n'],
    ['---\r\ndone: no\r\n# Title\r\n', '---\r\ndone: false\r\n---\r\n# Title\r\n'],
    [
      '---\ndone: false\ncontext:\n  - path: a\n    required: true\n\ntext\n',
      '---\ndone: false\ncontext:\n  - path: a\n    required: true\n---\n\ntext\n',
    ],
    ['---\ndone: false', '---\ndone: false\n---\n'],
  ])('writes %j as %j', (before, after) => {
    const fixed = fixTicketText(NAME, before);
    expect(fixed.text).toBe(after);
    expect(fixed.changes).not.toEqual([]);
    expect(parseTicket(NAME, fixed.text).ok).toBe(true);
    expect(fixTicketText(NAME, fixed.text).changes).toEqual([]);
  });

  it.each([
    ['is good already', '---\ndone: true\n---\n'],
    ['could mean anything', '---\ndone: maybe\n---\n'],
    ['says nothing', '---\nagent: codex\n---\n'],
    ['has a null', '---\ndone:\n---\n'],
    ['has no front matter', 'done: yes\n'],
    ['is unclosed with a key below the gap', '---\nagent: codex\n\ndone: false\n'],
    ['is unclosed and names a key again in the text', '---\ndone: false\n\ntitle: x\n'],
    ['is unclosed and runs into prose', '---\ndone: false\nThis is prose.\n'],
    ['is unclosed without done', '---\nagent: codex\n\n# T\n'],
    ['is not YAML', '---\ndone: [\n---\n'],
  ])('leaves alone what %s', (_, text) => {
    expect(fixTicketText(NAME, text)).toEqual({ text, changes: [] });
  });
});
