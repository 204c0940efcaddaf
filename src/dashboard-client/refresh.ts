/** How the parts of the page looked as the service sent them. */
const served = new Map<string, string>();

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** Remembers what came with the page. */
export function noteServed(): void {
  for (const part of document.querySelectorAll('[data-live]')) served.set(part.id, part.outerHTML);
  localise(document);
}

/**
 * Fetches the page again and replaces the parts that have changed; what somebody writes, has opened
 * or has focused stays. Returns the fresh document; null when the service does not answer.
 */
export async function refresh(): Promise<Document | null> {
  const response = await fetch(location.pathname + location.search).catch(() => null);
  if (response?.status === 401) location.reload();
  if (!response?.ok) return null;
  const text = await response.text();
  const fresh = new DOMParser().parseFromString(text, 'text/html');
  for (const part of fresh.querySelectorAll('[data-live]')) {
    const html = part.outerHTML;
    const old = document.getElementById(part.id);
    if (old === null || served.get(part.id) === html) continue;
    served.set(part.id, html);
    replace(old, document.importNode(part, true));
  }
  return fresh;
}

function replace(old: Element, fresh: Element): void {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const open = [...old.querySelectorAll('details[open][id]')].map(({ id }) => id);
  old.replaceWith(fresh);
  localise(fresh);
  // Opening one fetches its text again.
  for (const id of open) document.getElementById(id)?.setAttribute('open', '');
  if (focused?.id) document.getElementById(focused.id)?.focus();
}

/** Times as the reader's own clock shows them. */
function localise(within: ParentNode): void {
  const today = new Date().toDateString();
  for (const element of within.querySelectorAll('time')) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    element.textContent = (at.toDateString() === today ? clock : dayAndClock).format(at);
    element.title = at.toISOString();
  }
}

/** Lets elapsed times go on. */
export function tick(): void {
  for (const element of document.querySelectorAll<HTMLElement>('[data-since]')) {
    const seconds = Math.max(0, (Date.now() - Date.parse(element.dataset['since'] ?? '')) / 1000);
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
    const text =
      hours > 0
        ? `${hours} h ${minutes} min`
        : minutes > 0
          ? `${minutes} min ${Math.floor(seconds % 60)} s`
          : `${Math.floor(seconds)} s`;
    if (element.textContent !== text) element.textContent = text;
  }
}
