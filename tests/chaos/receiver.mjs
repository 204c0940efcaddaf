/** Where a campaign's runs are announced: a webhook on loopback that hears, and has its moods. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * `well`: 200, `slow`: 200 later, `ill`: 503 and nothing heard, `mute`: heard, and no answer.
 *
 * @typedef {'well' | 'slow' | 'ill' | 'mute'} Mood
 */

/**
 * @typedef {object} Heard one announcement that a person would have read
 * @property {string} run
 * @property {string} event `start`, `end`, …
 * @property {boolean} isRepeated it says of itself that it may have come before
 * @property {string | undefined} outcome of an end
 */

const SLOW_MS = 60;

export async function startReceiver() {
  /** @type {Heard[]} */
  const heard = [];
  let mood = 'well';
  let strike = null;

  /** Does to the sender what was asked for, once, at its next announcement of that kind. */
  const strikeAt = (when, event) => {
    if (strike === null || strike.when !== when || strike.event !== event) return;
    const { perform } = strike;
    strike = null;
    perform();
  };

  const server = createServer(async (request, response) => {
    const now = mood;
    let body = '';
    try {
      for await (const chunk of request) body += chunk;
    } catch {
      // The sender died in the middle of it: nobody reads half a message.
      return;
    }
    const [, run, event] = /^looper_([^_]+)_(.+)$/.exec(request.headers['webhook-id']) ?? [];
    if (now === 'ill') {
      response.writeHead(503).end();
      return;
    }
    const { text, outcome } = JSON.parse(body).data;
    heard.push({ run, event, isRepeated: text.startsWith('(repeated) '), outcome });
    strikeAt('before the answer', event);
    if (now === 'mute') return;
    if (now === 'slow') await delay(SLOW_MS);
    response.writeHead(200).end('ok', () => strikeAt('after the answer', event));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    heard,
    /** @param {Mood} next */
    be: (next) => (mood = next),
    /** @param {{when: string, event: string, perform: () => void} | null} next */
    strikeNext: (next) => (strike = next),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
