/**
 * Numbers that a seed decides, so that a campaign can be asked for again. What happens at an instant
 * is still up to the scheduler: the seed repeats the plan, not every interleaving.
 *
 * @typedef {object} Random
 * @property {() => number} next from 0 up to 1
 * @property {(from: number, to: number) => number} between a whole number, both ends included
 * @property {(probability: number) => boolean} chance
 * @property {<T>(items: readonly T[]) => T} pick
 */

/**
 * Mulberry32. Every step of a campaign has numbers of its own, so that what one step needed does
 * not shift the plan of the next.
 *
 * @param {number} seed
 * @param {number} [step]
 * @returns {Random}
 */
export function createRandom(seed, step = 0) {
  let state = (seed ^ Math.imul(step + 1, 0x9e3779b9)) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (from, to) => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: (items) => items[between(0, items.length - 1)],
  };
}
