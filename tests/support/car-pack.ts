import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Tickets in CAR's style, written in no order: gaps, its own keys, byte order marks, both line ends,
 * ids absent; every tenth a gate unless `gates` is false. Returns their numbers in order.
 */
export function writeCarPack(directory: string, count: number, { gates = true } = {}): number[] {
  const numbers = Array.from({ length: count }, (_, index) => index * 7 + 1 + (index % 3) * 2);
  numbers.splice(-3, 3, 998, 999, 1000);
  for (const [index, number] of [...numbers.entries()].toReversed()) {
    const eol = index % 5 === 0 ? '\r\n' : '\n';
    const lines = [
      `${index % 7 === 0 ? '\ufeff' : ''}---`,
      `agent: ${gates && index % 10 === 9 ? 'user' : '"codex"'}`,
      'done: false',
      ...(index % 2 === 0 ? [`ticket_id: tkt_${String(index).padStart(6, '0')}`] : []),
      ...(index % 3 === 0 ? [`title: "Step ${index}: do it"`] : []),
      ...(index % 4 === 0 ? ['profile: m4-pma', 'requires: [a, b]', 'x_meta: {depth: 2}'] : []),
      ...(index % 6 === 0 ? ['context:', '- path: docs/spec.md', '  max_bytes: 2048'] : []),
      ...(index % 8 === 0
        ? ['model: gpt-5.5', 'reasoning: high', 'goal: >-', '  Two', '  lines']
        : []),
      index % 9 === 0 ? '...' : '---',
      '',
      `# Ticket ${number}`,
      '',
      '---',
      'done: false in the text',
    ];
    const name = `${index % 11 === 0 ? 'ticket' : 'TICKET'}-${String(number).padStart(3, '0')}${index % 2 ? '-slug' : ''}.md`;
    writeFileSync(join(directory, name), lines.join(eol));
  }
  return numbers;
}
