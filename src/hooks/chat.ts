import { setTimeout as delay } from 'node:timers/promises';
import type { Autopoll } from '../autopoll.ts';
import { LooperError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { zulipContent } from '../notify/zulip-text.ts';
import type { Replies } from '../run/reply.ts';
import type { Unattended } from '../run/unattended.ts';
import type { RunWatch } from '../run-watch.ts';
import { hasOpenQuestion, type RunStore, type StoredRun } from '../runs/store.ts';
import { CHAT_VERBS, type ChatCommand, type ChatVerb } from './chat-command.ts';
import { describeStatus } from './chat-status.ts';
import { tailOfRun } from './chat-tail.ts';
import type { Hook } from './hook.ts';

/** What a person waits for gladly; Zulip gives up after 10 s. What takes longer goes on by itself. */
const ANSWER_MS = 1_500;
/** How many runs are looked through for an open question. */
const LOOKED_THROUGH = 50;
const SHOWN_CHARS = 500;

export interface ChatDeps {
  readonly triggers: Pick<Unattended, 'accept'>;
  readonly watch: Pick<RunWatch, 'active' | 'stop'>;
  readonly store: Pick<RunStore, 'list' | 'find' | 'latest'>;
  readonly autopoll: Pick<Autopoll, 'status' | 'pause' | 'resume'>;
  readonly replies: Replies;
  /** Takes Looper's secrets out of what agents have printed. */
  readonly redact: (text: string) => string;
  readonly log: Logger;
}

/** Carries out what people say to Looper in a chat, and answers in the chat's markdown. */
export interface Chat {
  /** Never takes longer than the chat waits, and never rejects for what a person can mend. */
  answer(hook: Hook, command: ChatCommand, requestId: string): Promise<string>;
}

export function createChat(deps: ChatDeps): Chat {
  const { triggers, watch, store, autopoll, replies, log } = deps;

  /** Waits for a moment; what fails after that is logged, as nobody hears the answer any more. */
  const soon = async <T>(work: Promise<T>, say: (result: T) => string, meanwhile: string) => {
    const late = new AbortController();
    const timer = delay(ANSWER_MS, null, { signal: late.signal, ref: false }).catch(() => null);
    try {
      return await Promise.race([work.then(say), timer.then(() => meanwhile)]);
    } finally {
      late.abort();
      work.catch((error: unknown) => log.warn({ err: error }, 'chat.failed'));
    }
  };

  const run = (hook: Hook, { text, sender }: ChatCommand, requestId: string): Promise<string> => {
    const accepting = triggers.accept({
      trigger: 'chat',
      message: `${sender} asks for a run${text === '' ? '.' : `: ${text.slice(0, SHOWN_CHARS)}`}`,
      prompt: text === '' ? null : text,
      workspace: hook.workspace,
      onBusy: hook.onBusy,
      requestId,
    });
    return soon(
      accepting,
      ({ runId }) => {
        const isQueued = runId !== null && store.find(runId)?.record.status === 'queued';
        return `Run ${runId} ${isQueued ? 'waits for the active one to end' : 'starts'}.`;
      },
      'It is about to start; ask for `status` in a moment.',
    );
  };

  const stop = async (): Promise<string> => {
    const runId = watch.active()?.record.run_id;
    if (runId === undefined) return 'Nothing runs.';
    const stopped = () => `Run ${runId} is stopped.`;
    return soon(watch.stop('stopped'), stopped, `Run ${runId} is being stopped.`);
  };

  const reply = async (text: string, requestId: string): Promise<string> => {
    const asking = findAsking(store);
    if (asking === null) return 'No run waits for an answer.';
    const { run_id: runId, question } = asking.record;
    if (text === '') return `Run ${runId} asks: ${question?.title ?? ''}\nWrite: \`reply <text>\``;
    const passedOn = `Your answer to run ${runId} (${question?.title ?? ''}) is passed on.`;
    return soon(replies.reply(runId, text, requestId), () => passedOn, passedOn);
  };

  const tail = async (): Promise<string> => {
    const shown = watch.active() ?? store.latest();
    if (shown === null) return 'There is no run yet.';
    return tailOfRun(shown);
  };

  const handlers: Readonly<
    Record<
      ChatVerb,
      (hook: Hook, command: ChatCommand, requestId: string) => string | Promise<string>
    >
  > = {
    run,
    stop,
    tail,
    status: () =>
      describeStatus({
        active: watch.active()?.record ?? null,
        recent: store.list({ limit: LOOKED_THROUGH }),
        asking: findAsking(store)?.record ?? null,
        autopoll: autopoll.status(),
      }),
    pause: () => {
      autopoll.pause();
      return 'Looper starts nothing by itself until you say `resume`. What runs goes on.';
    },
    resume: () => {
      const { enabled } = autopoll.resume();
      return enabled
        ? 'Looper starts work by itself again when it is idle.'
        : 'Resumed, but the idle timer is turned off (LOOPER_AUTO_START_WHEN_IDLE=0).';
    },
    reply: (_hook, { text }, requestId) => reply(text, requestId),
  };

  const carryOut = async (hook: Hook, command: ChatCommand, requestId: string) => {
    const { verb } = command;
    if (verb === 'help') return `I know: ${CHAT_VERBS.map((one) => `\`${one}\``).join(', ')}.`;
    log.info({ hook: hook.name, verb, sender: command.sender, requestId }, 'chat.command');
    try {
      return await handlers[verb](hook, command, requestId);
    } catch (error) {
      if (error instanceof LooperError) return `That did not work: ${error.message}`;
      log.error({ err: error, requestId }, 'chat.bug');
      return 'That did not work: internal error, see the server log.';
    }
  };

  return {
    answer: async (hook, command, requestId) => {
      const text = await carryOut(hook, command, requestId);
      return zulipContent({ kind: 'message', text }, deps.redact);
    },
  };
}

/** The newest run that waits for an answer which nobody has given. */
function findAsking(store: Pick<RunStore, 'list' | 'find'>): StoredRun | null {
  for (const { run_id, outcome } of store.list({ limit: LOOKED_THROUGH })) {
    const run = outcome === 'waiting' ? store.find(run_id) : null;
    if (run !== null && hasOpenQuestion(run)) return run;
  }
  return null;
}
