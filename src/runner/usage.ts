import type { Usage } from '../runs/record.ts';

export const NO_USAGE: Usage = {
  input_tokens: 0,
  cached_input_tokens: 0,
  output_tokens: 0,
  reasoning_output_tokens: 0,
};

export function addUsage(a: Usage, b: Usage | null): Usage {
  return b === null ? a : combine(a, b, (x, y) => x + y);
}

/** A thread that codex compacted may report less than before; then its figure stands as it is. */
export function subtractUsage(total: Usage, before: Usage | null): Usage {
  if (before === null || total.input_tokens < before.input_tokens) return total;
  return combine(total, before, (x, y) => Math.max(0, x - y));
}

function combine(a: Usage, b: Usage, of: (x: number, y: number) => number): Usage {
  return {
    input_tokens: of(a.input_tokens, b.input_tokens),
    cached_input_tokens: of(a.cached_input_tokens, b.cached_input_tokens),
    output_tokens: of(a.output_tokens, b.output_tokens),
    reasoning_output_tokens: of(a.reasoning_output_tokens, b.reasoning_output_tokens),
  };
}
