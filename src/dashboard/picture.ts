import { html } from 'hono/html';
import type { Day } from './days.ts';
import { plural, type Html, type Mood } from './words.ts';

const BAR = 22;
const STEP = 28;
const HEIGHT = 64;
const LABEL = 16;

/** From the bottom up. */
const LAYERS: readonly (readonly [Mood, string])[] = [
  ['good', 'succeeded'],
  ['calm', 'stopped or replaced'],
  ['open', 'waiting or limited'],
  ['bad', 'failed'],
  ['busy', 'running'],
];

/** Runs of the last days by outcome, as bars; a table says the same in words. */
export function picture(days: readonly Day[]): Html {
  const most = Math.max(1, ...days.map(totalOf));
  // Few days are not drawn larger.
  const width = Math.max(14, days.length) * STEP;
  const sum = days.reduce((all, day) => all + totalOf(day), 0);
  const used = LAYERS.filter(([mood]) => days.some(({ runs }) => runs[mood] > 0));
  return html`<figure>
    <svg
      viewBox="0 0 ${width} ${HEIGHT + LABEL}"
      role="img"
      aria-label="${plural(sum, 'run')} in the last ${plural(days.length, 'day')}: ${describe(days)}"
    >
      ${days.map((day, place) => bar(day, place, most))}
    </svg>
    <figcaption>
      ${used.map(([mood, word]) => html`<span class="key ${mood}">${word}</span>`)}
    </figcaption>
  </figure>`;
}

function bar(day: Day, place: number, most: number): Html {
  const x = place * STEP + (STEP - BAR) / 2;
  let top = HEIGHT;
  const parts = LAYERS.filter(([mood]) => day.runs[mood] > 0).map(([mood]) => {
    const height = Math.max(2, (day.runs[mood] / most) * (HEIGHT - 2));
    top -= height;
    return html`<rect
      class="${mood}"
      x="${x}"
      y="${top.toFixed(1)}"
      width="${BAR}"
      height="${height.toFixed(1)}"
      rx="1.5"
    />`;
  });
  const month = Number(day.date.slice(5, 7));
  const number = Number(day.date.slice(8));
  // Every other day has room for its date on a phone; a first of the month names it.
  const label = place % 2 === 1 ? `${number}.${number <= 2 ? `${month}.` : ''}` : '';
  return html`<g>
    <title>${day.date}: ${describe([day])}</title>
    ${
      parts.length === 0
        ? html`<rect class="none" x="${x}" y="${HEIGHT - 1}" width="${BAR}" height="1" />`
        : parts
    }
    <text x="${x + BAR / 2}" y="${HEIGHT + LABEL - 4}" text-anchor="middle">${label}</text>
  </g>`;
}

function describe(days: readonly Day[]): string {
  const words = LAYERS.flatMap(([mood, word]) => {
    const number = days.reduce((sum, { runs }) => sum + runs[mood], 0);
    return number === 0 ? [] : [`${number} ${word}`];
  });
  return words.length === 0 ? 'none' : words.join(', ');
}

function totalOf({ runs }: Day): number {
  return Object.values(runs).reduce((sum, number) => sum + number, 0);
}
