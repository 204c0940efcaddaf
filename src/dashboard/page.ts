import { html } from 'hono/html';
import type { Model } from './model.ts';
import { picture } from './picture.ts';
import {
  autopollSection,
  questionSection,
  runSection,
  runsSection,
  stateSection,
  ticketsSection,
} from './sections.ts';
import { title, type Html } from './words.ts';

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M25 10a11 11 0 1 0 2 8m-1-13v7h-7' fill='none' stroke='%232f6fde' stroke-width='4' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E";

/** A whole document; `head` and `body` are escaped already. */
export function documentOf(name: string, head: Html, body: Html): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${name}</title>
        <link rel="icon" href="${ICON}" />
        ${head}
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}

/** The dashboard: complete as it is; its script keeps it right and carries out the actions. */
export function dashboardPage(
  model: Model,
  options: { readonly hasLogin: boolean; readonly modules: readonly string[] },
): Html {
  const { shown, logFrom } = model;
  const head = html`<link rel="stylesheet" href="/assets/dashboard/style.css" />
    ${options.modules.map((path) => html`<link rel="modulepreload" href="${path}" />`)}
    <script type="module" src="/assets/dashboard-client/main.js"></script>`;
  const body = html`<a class="skip" href="#log">Skip to the log</a>
    <header>
      <h1><a href="/">Looper</a></h1>
      ${stateSection(model)}
      <span id="connection" class="connection" role="status"></span>
      ${
        options.hasLogin
          ? html`<form method="post" action="/logout"><button class="quiet">Log out</button></form>`
          : ''
      }
    </header>
    <main>
      <div class="wide">
        ${questionSection(model)}
        <section class="card run" aria-label="Run">
          ${runSection(model)}
          <div class="log-frame">
            <div
              id="log"
              tabindex="0"
              role="log"
              aria-live="off"
              aria-label="Log of the run"
              data-run="${shown?.run_id ?? ''}"
              data-from="${logFrom}"
            ></div>
            <button id="newest" class="primary" hidden>Follow the log</button>
          </div>
          <p class="meta" id="log-note"></p>
          <noscript><p>The live log and the actions need JavaScript.</p></noscript>
        </section>
        <section id="history" class="card" aria-labelledby="history-title">
          <h2 id="history-title">Runs</h2>
          <div id="days" data-live>${picture(model.days)}</div>
          ${runsSection(model)}
        </section>
      </div>
      <div class="narrow">
        ${ticketsSection(model)} ${autopollSection(model)} ${startForm(model)}
      </div>
    </main>
    <p id="said" role="status" aria-live="polite"></p>`;
  return documentOf('Looper', head, body);
}

/** Not replaced while the page lives: somebody may be writing in it. */
function startForm({ workspace }: Model): Html {
  return html`<section class="card start" aria-labelledby="start-title">
    <h2 id="start-title">Start a run</h2>
    <form data-action="start">
      <label for="start-message">Message, which is announced</label>
      <input id="start-message" name="message" required value="Started from the dashboard" />
      <label for="start-prompt">Prompt <span class="meta">(empty: the next ticket)</span></label>
      <textarea id="start-prompt" name="prompt" rows="3"></textarea>
      <label for="start-workspace">Workspace</label>
      <input
        id="start-workspace"
        name="workspace"
        class="path"
        autocapitalize="off"
        spellcheck="false"
        value="${title(workspace ?? '')}"
      />
      <label for="start-busy">When a run is active</label>
      <select id="start-busy" name="on_busy">
        <option value="queue">wait until it has ended</option>
        <option value="replace">replace it</option>
      </select>
      <button class="primary">Start</button>
    </form>
  </section>`;
}
