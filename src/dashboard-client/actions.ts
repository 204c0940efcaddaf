const SHOWN_MS = 12_000;

/** Says what happened, to eyes and to screen readers. */
export function createSay(place: HTMLElement): (text: string) => void {
  let timer = 0;
  return (text) => {
    clearTimeout(timer);
    place.textContent = text;
    timer = window.setTimeout(() => (place.textContent = ''), SHOWN_MS);
  };
}

interface Answer {
  readonly ok: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Carries out what buttons and forms with `data-action` are for. Each waits for its answer, cannot
 * be sent twice meanwhile, and tells how it went.
 */
export function listenForActions(say: (text: string) => void, onDone: () => void): void {
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    const { action, run = '' } = button?.dataset ?? {};
    if (button === null || action === undefined) return;
    const act = BUTTONS[action];
    if (act !== undefined) void carryOut(button, () => act(run));
  });
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement)) return;
    const act = FORMS[form.dataset['action'] ?? ''];
    const button = form.querySelector('button');
    if (act === undefined || button === null) return;
    event.preventDefault();
    const fields = Object.fromEntries(
      [...new FormData(form)].map(([name, value]) => [
        name,
        typeof value === 'string' ? value : '',
      ]),
    );
    void carryOut(button, () => act(fields, form));
  });

  async function carryOut(button: HTMLButtonElement, act: () => Promise<string>): Promise<void> {
    if (button.ariaDisabled === 'true') return;
    // Not `disabled`, which would take the focus from whoever uses a keyboard.
    button.ariaDisabled = 'true';
    say('One moment…');
    try {
      say(await act());
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    } finally {
      button.ariaDisabled = null;
      onDone();
    }
  }
}

const BUTTONS: Readonly<Record<string, (run: string) => Promise<string>>> = {
  stop: async (run) => {
    const { body } = await post(`/runs/${run}/stop`);
    const { outcome } = body['run'] as { outcome: string };
    return `Run ${run} has ended: ${outcome}. Nothing of it is left.`;
  },
  pause: async () => {
    await post('/autopoll/pause');
    return 'Autopoll is paused: nothing starts by itself.';
  },
  resume: async () => {
    await post('/autopoll/resume');
    return 'Autopoll goes on.';
  },
};

type Fields = Readonly<Record<string, string>>;

const FORMS: Readonly<Record<string, (fields: Fields, form: HTMLFormElement) => Promise<string>>> =
  {
    reply: async ({ text = '' }, form) => {
      const { body } = await post(`/runs/${form.dataset['run'] ?? ''}/reply`, { text });
      form.reset();
      return `Your answer is stored. ${startedOf(body)}`;
    },
    start: async ({ message = '', prompt = '', workspace = '', on_busy = '' }, form) => {
      const { body } = await post('/run', {
        zulip_message: message,
        on_busy,
        // Blank: the next ticket. An empty prompt would mean something else.
        ...(prompt.trim() === '' ? {} : { codex_prompt: prompt }),
        ...(workspace.trim() === '' ? {} : { workspace: workspace.trim() }),
      });
      const field = form.elements.namedItem('prompt');
      if (field instanceof HTMLTextAreaElement) field.value = '';
      return startedOf(body);
    },
  };

function startedOf(body: Answer['body']): string {
  const { run_id: run, codex_exec_started: isStarted, replaced_run_id: replaced } = body;
  if (typeof run !== 'string') return 'Announced; no run was started.';
  const instead = typeof replaced === 'string' ? ` It replaced run ${replaced}.` : '';
  return isStarted === true
    ? `Run ${run} has started.${instead}`
    : `Run ${run} waits for its turn.`;
}

/** Posts JSON. Throws the service's own sentence when it refuses. */
async function post(path: string, fields?: object): Promise<Answer> {
  const response = await fetch(path, {
    method: 'POST',
    ...(fields === undefined
      ? {}
      : { body: JSON.stringify(fields), headers: { 'Content-Type': 'application/json' } }),
  }).catch(() => {
    throw new Error('The service does not answer. Nothing is known of what became of it.');
  });
  if (response.status === 401) location.reload();
  const body = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(sentenceOf(body) ?? `status ${response.status}`);
  return { ok: true, body };
}

/** What the service says of a problem. */
export function sentenceOf(body: Answer['body']): string | null {
  return typeof body['error'] === 'string' ? body['error'] : null;
}
