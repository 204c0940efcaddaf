import type { Hono } from 'hono';
import type { Autopoll } from '../autopoll.ts';
import { createExposition } from '../metrics/prometheus.ts';
import type { Metrics } from '../metrics.ts';
import type { Logger } from '../logger.ts';
import { recentRuns } from '../run/recent-runs.ts';
import { listTickets } from '../run/ticket-list.ts';
import type { Runs } from '../run.ts';
import type { RunWatch } from '../run-watch.ts';
import { hasOpenQuestion, type RunStore, type StoredRun } from '../runs/store.ts';
import type { Finding } from '../tickets/queue.ts';
import type { HttpEnv } from './answers.ts';
import type { EventStreams } from './event-streams.ts';
import { lazily } from './lazily.ts';
import { answerLog } from './log-route.ts';

export interface ReadRouteDeps {
  readonly version: string;
  readonly runs: Pick<Runs, 'isLaunching'>;
  readonly watch: Pick<RunWatch, 'active'>;
  readonly store: RunStore;
  readonly autopoll: Pick<Autopoll, 'status'>;
  readonly streams: EventStreams;
  readonly metrics: Metrics;
  /** The workspace of a trigger that names this one; throws as `POST /run` would. */
  readonly resolveWorkspace: (requested: string | null) => string;
  /** LOOPER_TICKETS_DIR */
  readonly ticketsDirectory: string | undefined;
  readonly log: Logger;
}

/**
 * What a person, a dashboard or a scraper reads: logs, event streams, tickets, metrics, the API's
 * description. `requireRun` finds a run by its id or throws `NOT_FOUND`.
 */
export function addReadRoutes(
  app: Hono<HttpEnv>,
  deps: ReadRouteDeps,
  requireRun: (id: string) => StoredRun,
): void {
  const { watch, store, streams, log } = deps;
  const exposition = lazily(() => createExposition(deps.metrics, () => watch.active() !== null));
  const openApi = lazily(() => describeApi(deps.version));

  app.get('/runs/:id/log', (c) => {
    const { files } = requireRun(c.req.param('id'));
    return answerLog(c, files.log, (err) => log.error({ err, path: files.log }, 'log.failed'));
  });

  app.get('/runs/:id/events', (c) => streams.ofRun(c, requireRun(c.req.param('id')).files));

  app.get('/events', (c) =>
    streams.ofAll(c, () => ({
      at: new Date().toISOString(),
      active: watch.active()?.record ?? null,
      queued: store.latest()?.record.status === 'queued',
      launching: deps.runs.isLaunching(),
      autopoll: deps.autopoll.status(),
    })),
  );

  app.get('/tickets', async (c) => {
    const workspace = deps.resolveWorkspace(c.req.query('workspace') ?? null);
    const active = watch.active()?.record ?? null;
    const { directory, source, tickets, lint } = await listTickets(
      workspace,
      deps.ticketsDirectory,
      {
        active: active?.workspace === workspace ? active : null,
        questionAbout: questionAbout(store, workspace),
      },
    );
    const findings = lint.findings.map(findingAnswer);
    const remarks = lint.remarks.map(findingAnswer);
    return c.json({ ok: true, workspace, directory, source, tickets, findings, remarks });
  });

  app.get('/metrics', async (c) => {
    const { contentType, text } = await exposition();
    return c.body(await text(), 200, { 'Content-Type': contentType });
  });

  app.get('/openapi.json', async (c) => c.json(await openApi()));
}

/** Nobody asks on most days, and its schemas take memory. */
async function describeApi(version: string): Promise<object> {
  const { createOpenApi } = await import('./openapi.ts');
  return createOpenApi(version);
}

/** The ticket that the workspace's newest run asks a person about; null when nothing is open. */
function questionAbout(store: RunStore, workspace: string): string | null {
  for (const run of recentRuns(store, workspace)) {
    return hasOpenQuestion(run) ? (run.record.question?.ticket ?? null) : null;
  }
  return null;
}

function findingAnswer({ fileName, line, message, instead }: Finding) {
  return { file: fileName, line, message, instead };
}
