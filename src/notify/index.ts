export const ANNOUNCEMENT_KINDS = [
  'start',
  'end',
  'question',
  'message',
  'failed',
  'usage_limited',
] as const;

/** What it is about; the configuration says by this what goes to which channel. */
export type AnnouncementKind = (typeof ANNOUNCEMENT_KINDS)[number];

/** One thing that people should hear about. */
export interface Announcement {
  readonly kind: AnnouncementKind;
  /** Which event of the run it is, so that nobody hears of it twice; default: the kind. */
  readonly event?: string | undefined;
  readonly text: string;
  /** Null: it belongs to no run, and nobody can announce it again. */
  readonly runId: string | null;
  readonly workspace?: string | null | undefined;
  /** When it happened, ISO 8601; default: now. */
  readonly at?: string | undefined;
  /** The same for programs: outcome, tickets, tokens, … */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
}

/** An announcement on its way; every attempt, after a restart too, carries the same id. */
export interface Message extends Announcement {
  readonly id: string;
  readonly at: string;
}

/** `output` is one sentence for the trigger's answer (`zulip_output`) and the log. */
export interface Delivery {
  readonly output: string;
}

/** One way to reach people: one file in this folder for each kind. */
export interface Notifier {
  readonly name: string;
  /** Delivers or throws what `notifyFailed` makes; gives up when `signal` aborts. */
  send(message: Message, signal: AbortSignal): Promise<Delivery>;
}

/** A notifier, and what it is to be told. */
export interface Channel extends Notifier {
  readonly kinds: ReadonlySet<AnnouncementKind>;
}

/** What this folder needs of a logger; pino's fits. */
export interface NotifyLog {
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
}

export interface Announced {
  /** At least one channel delivered. The log alone does not count. */
  readonly notified: boolean;
  /** What the channels that delivered said; without any, why nobody was reached. */
  readonly output: string;
  /** One sentence for each channel that failed, opened by its name. */
  readonly failures: string[];
}

export interface FanOut {
  /** Never rejects and never takes longer than the deadline: a run must not hang on a chat. */
  announce(announcement: Announcement): Promise<Announced>;
}
