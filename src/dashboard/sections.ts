import { html } from 'hono/html';
import { basename } from 'node:path';
import { inert } from '../render/inert.ts';
import type { ListedTicket } from '../run/ticket-list.ts';
import type { RunRecord } from '../runs/record.ts';
import type { Model } from './model.ts';
import {
  badge,
  moodOf,
  plural,
  since,
  TICKET_MOODS,
  time,
  title,
  tokens,
  tookOf,
  type Html,
} from './words.ts';

/**
 * The parts of a page that change. Each has an id and `data-live`: the page's script replaces it
 * when its text has changed.
 */

/** What is going on, in one line. */
export function stateSection(model: Model): Html {
  const { active, asking, isLaunching, isQueued, now } = model;
  const behind = isQueued && active !== null ? ' Another trigger waits behind it.' : '';
  const line = (mood: string, text: Html): Html =>
    html`<p id="state" class="state ${mood}" data-live role="status">${text}${behind}</p>`;
  if (active !== null) {
    const turn = active.turns.length;
    const what = active.status === 'stopping' ? 'Stopping' : 'Working';
    const on = ticketName(model, active);
    return line(
      'busy',
      html`<b>${what}</b>${on === null ? '' : html` on ${on}`}${turn > 0 ? `, turn ${turn}` : ''},
        for ${since(active.started_at ?? active.created_at, now)}.`,
    );
  }
  if (isLaunching) return line('busy', html`<b>Starting</b> a run.`);
  if (asking?.question != null) {
    return line('open', html`<b>Waiting for you:</b> ${title(asking.question.title)}`);
  }
  return line('calm', html`<b>Idle.</b> ${nextLook(model)}`);
}

function nextLook({ autopoll }: Model): Html {
  if (!autopoll.enabled) return html`Runs start when somebody triggers one.`;
  if (autopoll.paused) return html`Autopoll is paused.`;
  const next = autopoll.next_tick_at;
  return next === null ? html`` : html`Autopoll looks for work at ${time(next)}.`;
}

/** The open question with its reply box; empty where nobody is asked. */
export function questionSection({ asking }: Model): Html {
  const question = asking?.question;
  if (asking === null || question == null) return html`<div id="question" data-live></div>`;
  return html`<section
    id="question"
    class="card question"
    data-live
    aria-labelledby="question-title"
  >
    <h2 id="question-title">${title(question.title) || 'The agent asks'}</h2>
    <p class="meta">
      ${question.ticket === null ? '' : html`${title(basename(question.ticket))} · `}asked
      ${time(question.asked_at)} · <a href="/?run=${asking.run_id}">run ${asking.run_id}</a>
    </p>
    <div class="prose">${inert(question.text)}</div>
    <form data-action="reply" data-run="${asking.run_id}">
      <label for="reply-text">Your answer</label>
      <textarea id="reply-text" name="text" rows="3" required maxlength="65536"></textarea>
      <button class="primary">Answer and go on</button>
    </form>
  </section>`;
}

/** What is known of the run whose log is shown. */
export function runSection({ shown, active, isChosen, now }: Model): Html {
  if (shown === null) {
    return html`<div id="run" data-live>
      <h2>No run yet</h2>
      <p class="meta">Start one below, or with <code>looper run</code>.</p>
    </div>`;
  }
  const isActive = shown.run_id === active?.run_id;
  const ticket = ticketOf(shown);
  const facts: (readonly [string, Html | string])[] = [
    ['Ticket', ticket ?? (shown.mode === 'prompt' ? 'none: a prompt' : '')],
    ['Turn', String(shown.turns.length || '')],
    [
      isActive ? 'Elapsed' : 'Took',
      isActive && shown.started_at !== null ? since(shown.started_at, now) : tookOf(shown),
    ],
    ['Tokens', tokens(shown)],
    ['Trigger', title(shown.trigger)],
    ['Started', time(shown.started_at ?? shown.created_at)],
    ['Workspace', html`<span class="path">${title(shown.workspace)}</span>`],
  ];
  return html`<div id="run" data-live>
    <div class="row">
      <h2>
        ${isActive ? 'Active run' : isChosen ? 'Run' : 'Last run'} <code>${shown.run_id}</code>
        ${badge(moodOf(shown.outcome), shown.outcome ?? shown.status)}
      </h2>
      ${
        isActive
          ? html`<button id="stop" class="danger" data-action="stop" data-run="${shown.run_id}">
              Stop
            </button>`
          : ''
      }
      ${isChosen ? html`<a class="button" href="/">Back to now</a>` : ''}
    </div>
    ${
      shown.reason === null || shown.reason === ''
        ? ''
        : html`<p class="reason">${title(shown.reason)}</p>`
    }
    <dl>
      ${facts
        .filter(([, value]) => value !== '')
        .map(
          ([name, value]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
    </dl>
  </div>`;
}

/** The queue in its order; a ticket's text is fetched when somebody opens it. */
export function ticketsSection({ tickets, ticketsProblem, workspace }: Model): Html {
  const list = tickets?.tickets ?? [];
  const done = list.filter(({ state }) => state === 'done');
  const left = list.filter(({ state }) => state !== 'done');
  const findings = tickets?.lint.findings ?? [];
  const item = (ticket: ListedTicket): Html => ticketItem(ticket, workspace ?? '');
  return html`<section id="tickets" class="card" data-live aria-labelledby="tickets-title">
    <h2 id="tickets-title">Tickets</h2>
    <p class="meta">
      ${
        ticketsProblem ??
        (list.length === 0
          ? 'No tickets. A run then needs a prompt.'
          : `${plural(left.length, 'ticket')} left, ${done.length} done.`)
      }
    </p>
    ${
      done.length === 0
        ? ''
        : html`<details id="done">
            <summary>${plural(done.length, 'finished ticket')}</summary>
            <ol>
              ${done.map(item)}
            </ol>
          </details>`
    }
    ${
      left.length === 0
        ? ''
        : html`<ol>
            ${left.map(item)}
          </ol>`
    }
    ${findings
      .slice(0, 10)
      .map(
        ({ fileName, message, instead }) =>
          html`<p class="finding">
            <b>${title(fileName)}</b>: ${title(message)}. ${title(instead)}
          </p>`,
      )}
  </section>`;
}

function ticketItem({ file, number, title: name, state, goal }: ListedTicket, workspace: string) {
  const label = String(number).padStart(3, '0');
  return html`<li>
    <details id="ticket-${file}" class="ticket" data-ticket="${file}" data-workspace="${workspace}">
      <summary>
        <span class="number">${label}</span> <span class="name">${title(name)}</span>
        ${badge(TICKET_MOODS[state], state)}
      </summary>
      ${goal === null ? '' : html`<p class="meta">${title(goal)}</p>`}
      <pre class="ticket-text" tabindex="0" aria-label="Text of ${file}">Loading…</pre>
    </details>
  </li>`;
}

export function autopollSection({ autopoll, active }: Model): Html {
  const { enabled, paused, waiting, next_tick_at: next, failures } = autopoll;
  if (!enabled) {
    return html`<section id="autopoll" class="card" data-live aria-labelledby="autopoll-title">
      <h2 id="autopoll-title">Autopoll</h2>
      <p class="meta">Off: LOOPER_AUTO_START_WHEN_IDLE is 0.</p>
    </section>`;
  }
  return html`<section id="autopoll" class="card" data-live aria-labelledby="autopoll-title">
    <div class="row">
      <h2 id="autopoll-title">
        Autopoll ${badge(paused ? 'open' : 'good', paused ? 'paused' : 'on')}
      </h2>
      <button id="autopoll-button" data-action="${paused ? 'resume' : 'pause'}">
        ${paused ? 'Resume' : 'Pause'}
      </button>
    </div>
    ${waiting === null || paused || active !== null ? '' : html`<p>Starts nothing now: ${title(waiting.detail)}.</p>`}
    <p class="meta">
      ${paused || next === null ? '' : html`Looks again at ${time(next)}. `} ${autopoll.runs_today}
      of ${autopoll.max_runs_per_day} automatic runs in 24 h.
      ${failures === 0 ? '' : `${plural(failures, 'failure')} in a row.`}
    </p>
  </section>`;
}

export function runsSection({ runs, older, isOldPage, shown }: Model): Html {
  return html`<div id="runs" data-live>
    ${
      runs.length === 0
        ? html`<p class="meta">None yet.</p>`
        : html`<table>
            <thead>
              <tr>
                <th scope="col">Run</th>
                <th scope="col">Outcome</th>
                <th scope="col">Started</th>
                <th scope="col">Took</th>
                <th scope="col">Trigger</th>
                <th scope="col">Tokens</th>
              </tr>
            </thead>
            <tbody>
              ${runs.map((run) => runRow(run, run.run_id === shown?.run_id))}
            </tbody>
          </table>`
    }
    <p class="pages">
      ${isOldPage ? html`<a class="button" href="/#history">Newest</a>` : ''}
      ${older === null ? '' : html`<a class="button" href="/?before=${older}#history">Older</a>`}
    </p>
  </div>`;
}

function runRow(run: RunRecord, isShown: boolean): Html {
  return html`<tr class="${isShown ? 'shown' : ''}">
    <th scope="row">
      <a href="/?run=${run.run_id}"><code>${run.run_id}</code></a>
    </th>
    <td>${badge(moodOf(run.outcome), run.outcome ?? run.status)}</td>
    <td>${time(run.started_at ?? run.created_at)}</td>
    <td>${tookOf(run)}</td>
    <td>${title(run.trigger)}</td>
    <td>${tokens(run)}</td>
  </tr>`;
}

/** The same with its title, where the queue tells it. */
function ticketName({ tickets }: Model, run: RunRecord): string | null {
  const file = ticketOf(run);
  const listed = tickets?.tickets.find((ticket) => ticket.file === file);
  if (listed === undefined || file === null) return file;
  return `${file.replace(/\.md$/, '')}: ${title(listed.title)}`;
}

/** The file name of the ticket at which a run works, or worked last. */
function ticketOf({ turns }: RunRecord): string | null {
  const ticket = turns.at(-1)?.ticket ?? null;
  return ticket === null ? null : title(basename(ticket));
}
