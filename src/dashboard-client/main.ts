import { createSay, listenForActions, sentenceOf } from './actions.ts';
import { createLogView } from './log.ts';
import { noteServed, refresh, tick } from './refresh.ts';
import { followStream } from './stream.ts';

/** The page's script: keeps the parts right, follows the log, carries out the actions. */

/** Records are written shortly after their events, and tickets change without any. */
const REFRESH_MS = 10_000;
const SOON_MS = 150;

const byId = (id: string): HTMLElement => {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
};

const connection = byId('connection');
const showConnection = (isOpen: boolean): void => {
  const text = isOpen ? 'live' : 'reconnecting…';
  if (connection.textContent === text) return;
  connection.textContent = text;
  connection.classList.toggle('lost', !isOpen);
};

const frame = byId('log');
const log = createLogView(frame, byId('newest'), byId('log-note'));
const showLogOf = ({ dataset }: HTMLElement): void => {
  if (dataset['run']) log.show(dataset['run'], Number(dataset['from']));
};

let isRefreshing = false;
let isWanted = false;
async function keepRight(): Promise<void> {
  isWanted = true;
  if (isRefreshing) return;
  isRefreshing = true;
  while (isWanted) {
    isWanted = false;
    const fresh = await refresh();
    const other = fresh?.getElementById('log');
    if (other) showLogOf(other);
    tick();
  }
  isRefreshing = false;
}

let soon = 0;
const refreshSoon = (): void => {
  clearTimeout(soon);
  soon = window.setTimeout(() => void keepRight(), SOON_MS);
};

/** A hidden page holds no connection: browsers allow six to one service. */
let leave = new AbortController();
function connect(): void {
  leave = new AbortController();
  void followStream('/events', {
    from: null,
    signal: leave.signal,
    onEvents: refreshSoon,
    onConnection: showConnection,
  });
}

noteServed();
showLogOf(frame);
listenForActions(createSay(byId('said')), () => void keepRight());

document.addEventListener(
  'toggle',
  (event) => {
    const details = event.target;
    if (!(details instanceof HTMLDetailsElement) || !details.open) return;
    const { ticket, workspace = '' } = details.dataset;
    if (ticket !== undefined) void showTicket(details, ticket, workspace);
  },
  true,
);

async function showTicket(details: Element, ticket: string, workspace: string): Promise<void> {
  const place = details.querySelector('.ticket-text');
  if (place === null) return;
  const query = `workspace=${encodeURIComponent(workspace)}`;
  const response = await fetch(`/tickets/${encodeURIComponent(ticket)}?${query}`).catch(() => null);
  const body = ((await response?.json()) ?? {}) as Record<string, unknown>;
  const { text } = body;
  place.textContent =
    typeof text === 'string' ? text : (sentenceOf(body) ?? 'The service does not answer.');
}

document.addEventListener('visibilitychange', () => {
  leave.abort();
  log.pause();
  if (document.hidden) return;
  connect();
  log.resume();
  void keepRight();
});
connect();
setInterval(tick, 1000);
setInterval(() => {
  if (!document.hidden) void keepRight();
}, REFRESH_MS);
