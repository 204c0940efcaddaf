import { html, raw } from 'hono/html';
import { createHash } from 'node:crypto';
import { documentOf } from './page.ts';
import { STYLE } from './style.ts';
import type { Html } from './words.ts';

/** Assets need a session, so these pages bring their style along; the policy knows it by its hash. */
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

export const LOGIN_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;

/** The log-in. `problem`: why the last one failed. */
export function loginPage(problem: string | null): Html {
  return documentOf(
    'Log in to Looper',
    html`${STYLE_ELEMENT}`,
    html`<main class="login">
      <form method="post" action="/login" class="card">
        <h1>Looper</h1>
        <label for="token">Token <span class="meta">(LOOPER_API_TOKEN of the service)</span></label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          autofocus
        />
        ${problem === null ? '' : html`<p class="finding" role="alert">${problem}</p>`}
        <button class="primary">Log in</button>
      </form>
    </main>`,
  );
}

/**
 * For somebody who followed a link from another site: their browser keeps the cookie back and says
 * so. From this page it asks again, as one of our own.
 */
export function detourPage(): Html {
  return documentOf(
    'Looper',
    html`<meta http-equiv="refresh" content="0;url=/" /> ${STYLE_ELEMENT}`,
    html`<main class="login">
      <p class="card"><a href="/">Open the dashboard</a></p>
    </main>`,
  );
}
