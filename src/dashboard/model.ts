import type { Autopoll, AutopollStatus } from '../autopoll.ts';
import { LooperError } from '../errors.ts';
import { listTickets, type TicketList } from '../run/ticket-list.ts';
import type { Runs } from '../run.ts';
import type { RunWatch } from '../run-watch.ts';
import { readLines, sizeOf } from '../runs/line-reader.ts';
import type { RunRecord } from '../runs/record.ts';
import { hasOpenQuestion, type RunStore, type StoredRun } from '../runs/store.ts';
import { createDays, type Day } from './days.ts';

export interface ModelDeps {
  readonly runs: Pick<Runs, 'isLaunching'>;
  readonly watch: Pick<RunWatch, 'active'>;
  readonly store: RunStore;
  readonly autopoll: Pick<Autopoll, 'status'>;
  readonly resolveWorkspace: (requested: string | null) => string;
  /** LOOPER_TICKETS_DIR */
  readonly ticketsDirectory: string | undefined;
}

/** Which part of the past a page shows. */
export interface Wanted {
  /** The run whose log is shown; null: the active one, else the newest. */
  readonly run: StoredRun | null;
  /** Runs older than this one; null: the newest. */
  readonly before: string | null;
}

/** Everything that a page says. */
export interface Model {
  readonly now: number;
  readonly active: RunRecord | null;
  readonly isLaunching: boolean;
  readonly isQueued: boolean;
  readonly asking: RunRecord | null;
  readonly shown: RunRecord | null;
  /** Whether the reader chose the run that is shown. */
  readonly isChosen: boolean;
  /** Where the part of its log begins that is shown, in bytes. */
  readonly logFrom: number;
  readonly tickets: TicketList | null;
  /** Why there is no list. */
  readonly ticketsProblem: string | null;
  readonly workspace: string | null;
  readonly runs: readonly RunRecord[];
  /** A run id: older ones follow. */
  readonly older: string | null;
  readonly isOldPage: boolean;
  readonly days: readonly Day[];
  readonly autopoll: AutopollStatus;
}

const RUNS_SHOWN = 15;
/** Questions older than this many runs are not looked for. */
const LOOKED_AT = 100;
/** What a browser gets of a log at first: some hundred lines; all of it may be gigabytes. */
const LOG_TAIL_BYTES = 256 * 1024;

/** Reads what a page says; the same files as the other surfaces. */
export function createModel(deps: ModelDeps): (wanted: Wanted) => Promise<Model> {
  const { runs, watch, store, autopoll } = deps;
  const days = createDays(store);

  return async (wanted) => {
    const now = Date.now();
    const active = watch.active();
    const recent = store.list({ limit: LOOKED_AT });
    const [latest] = recent;
    const asking = findAsking(store, recent);
    const shown = wanted.run ?? active ?? store.latest();
    const page = readPage(store, wanted.before, recent);
    const tickets = await readTickets(deps, {
      active: active?.record ?? null,
      asking,
      latest: latest ?? null,
    });
    return {
      now,
      active: active?.record ?? null,
      isLaunching: runs.isLaunching(),
      isQueued: latest?.status === 'queued',
      asking,
      shown: shown?.record ?? null,
      isChosen: wanted.run !== null,
      logFrom: shown === null ? 0 : tailStart(shown.files.log),
      ...tickets,
      ...page,
      isOldPage: wanted.before !== null,
      days: days(now),
      autopoll: autopoll.status(),
    };
  };
}

function readPage(
  store: RunStore,
  before: string | null,
  recent: readonly RunRecord[],
): Pick<Model, 'runs' | 'older'> {
  const found =
    before === null
      ? recent.slice(0, RUNS_SHOWN + 1)
      : store.list({ limit: RUNS_SHOWN + 1, before });
  const shown = found.slice(0, RUNS_SHOWN);
  return { runs: shown, older: found.length > RUNS_SHOWN ? (shown.at(-1)?.run_id ?? null) : null };
}

/** The newest run that waits for an answer, as the last word of its workspace. */
function findAsking(store: RunStore, recent: readonly RunRecord[]): RunRecord | null {
  const passed = new Set<string>();
  for (const run of recent) {
    // A trigger that only waited, or was superseded, answers nothing.
    if (run.status === 'queued' || run.outcome === 'replaced' || passed.has(run.workspace))
      continue;
    passed.add(run.workspace);
    if (run.outcome !== 'waiting' || run.question == null) continue;
    const stored = store.find(run.run_id);
    if (stored !== null && hasOpenQuestion(stored)) return run;
  }
  return null;
}

/** The queue of the workspace in which something happens, else of the configured one. */
async function readTickets(
  deps: ModelDeps,
  about: {
    readonly active: RunRecord | null;
    readonly asking: RunRecord | null;
    readonly latest: RunRecord | null;
  },
): Promise<Pick<Model, 'tickets' | 'ticketsProblem' | 'workspace'>> {
  const { active, asking, latest } = about;
  try {
    const workspace = active?.workspace ?? configured(deps) ?? latest?.workspace ?? null;
    if (workspace === null) return { tickets: null, ticketsProblem: null, workspace };
    const tickets = await listTickets(workspace, deps.ticketsDirectory, {
      active,
      questionAbout: asking?.workspace === workspace ? (asking.question?.ticket ?? null) : null,
    });
    return { tickets, ticketsProblem: null, workspace };
  } catch (error) {
    // A workspace that is gone has no queue; the rest is still worth a page.
    if (!(error instanceof LooperError)) throw error;
    return { tickets: null, ticketsProblem: error.message, workspace: latest?.workspace ?? null };
  }
}

/** LOOPER_WORKSPACE, resolved; null where there is none. */
function configured({ resolveWorkspace }: ModelDeps): string | null {
  try {
    return resolveWorkspace(null);
  } catch (error) {
    if (error instanceof LooperError) return null;
    throw error;
  }
}

/** The beginning of the first line within the last part of a log. */
function tailStart(path: string): number {
  const size = sizeOf(path);
  if (size <= LOG_TAIL_BYTES) return 0;
  return readLines(path, size - LOG_TAIL_BYTES).lines[0]?.end ?? size;
}
