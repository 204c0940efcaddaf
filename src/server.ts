import { Hono, type Context } from 'hono';
import type { Autopoll } from './autopoll.ts';
import type { Config } from './config.ts';
import { createDashboard } from './dashboard/routes.ts';
import { LooperError } from './errors.ts';
import { answerProblems, setAnswerHeaders, type HttpEnv } from './http/answers.ts';
import { readJsonObject } from './http/body.ts';
import { createFailureLimit } from './http/failure-limit.ts';
import { createGuard } from './http/guard.ts';
import { addHookRoutes, type HookRouteDeps } from './http/hook-routes.ts';
import type { IdempotencyStore, StoredAnswer } from './http/idempotency.ts';
import { startHttpServer, type HttpServer } from './http/listen.ts';
import { addReadRoutes, type ReadRouteDeps } from './http/read-routes.ts';
import { toRunAnswer } from './http/run-answer.ts';
import { parseReply, parseRunRequest } from './http/run-request.ts';
import type { Logger } from './logger.ts';
import type { Replies } from './run/reply.ts';
import type { Runs } from './run.ts';
import type { RunWatch } from './run-watch.ts';
import { isRunId } from './runs/files.ts';
import type { RunRecord } from './runs/record.ts';
import type { RunStore, StoredRun } from './runs/store.ts';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;

export interface AppDeps {
  readonly config: Pick<Config, 'http' | 'runs' | 'codex'>;
  readonly version: string;
  readonly runs: Runs;
  readonly replies: Replies;
  readonly watch: RunWatch;
  readonly store: RunStore;
  readonly autopoll: Autopoll;
  readonly idempotency: IdempotencyStore;
  readonly hooks: Omit<HookRouteDeps, 'log'>;
  readonly reads: Pick<
    ReadRouteDeps,
    'streams' | 'metrics' | 'resolveWorkspace' | 'ticketsDirectory'
  >;
  /** `dist/`: the dashboard's modules for the browser are below it. */
  readonly assetsDirectory: string;
  /** What keeps a run from starting, in sentences; none: ready. */
  readonly missing: () => Promise<readonly string[]>;
  readonly log: Logger;
}

/** The HTTP service without a socket: routes, guard, errors. */
export function createApp(deps: AppDeps): Hono<HttpEnv> {
  const { config, runs, watch, store, autopoll, log } = deps;
  const app = new Hono<HttpEnv>();
  const dashboard = createDashboard({ ...deps, ...deps.reads, http: config.http });

  app.use(setAnswerHeaders);
  app.use(async (c, next) => {
    const started = performance.now();
    const about = { requestId: c.get('requestId'), method: c.req.method, path: c.req.path };
    // Dashboards and probes ask all the time; what changes something, or fails, is worth a line.
    const isRead = c.req.method === 'GET';
    log[isRead ? 'debug' : 'info'](about, 'http.start');
    await next();
    const ms = Math.round(performance.now() - started);
    const level = isRead && c.res.ok ? 'debug' : 'info';
    log[level]({ ...about, status: c.res.status, ms }, 'http.end');
  });
  app.use(dashboard.showLogin);
  app.use(createFailureLimit());
  app.use(createGuard(config.http, dashboard.hasSession));
  answerProblems(app, (err, requestId) => log.error({ requestId, err }, 'http.bug'));

  app.get('/health', (c) => c.json({ ok: true, service: 'looper', version: deps.version }));

  app.get('/ready', async (c) => {
    const missing = await deps.missing();
    return c.json({ ok: missing.length === 0, missing }, missing.length === 0 ? 200 : 503);
  });

  app.post('/run', async (c) => {
    const body = await readJsonObject(c);
    const respond = () => answerRun(c, body);
    const key = c.req.header('idempotency-key');
    if (key === undefined) return toResponse(await respond());
    const answer = await deps.idempotency.once(key, JSON.stringify(body), respond);
    return toResponse(answer, answer.isReplay ? { 'Idempotent-Replayed': 'true' } : {});
  });

  async function answerRun(
    c: Context<HttpEnv>,
    body: Record<string, unknown>,
  ): Promise<StoredAnswer> {
    const request = parseRunRequest(body, {
      runs: config.runs,
      requestId: c.get('requestId'),
      callerRunId: c.req.header('x-looper-run-id') ?? null,
      trigger: c.req.header('user-agent')?.startsWith('looper-cli/') === true ? 'cli' : 'http',
      allowBinary: config.codex.allowRequestBinary,
    });
    const accepted = await runs.accept(request);
    if (!prefersAsync(c.req.header('prefer'))) {
      return jsonAnswer(200, toRunAnswer(await accepted.answer, config.codex.sandbox));
    }
    const { runId } = accepted;
    const location: Record<string, string> = runId === null ? {} : { Location: `/runs/${runId}` };
    const headers = { ...location, 'Preference-Applied': 'respond-async' };
    return jsonAnswer(202, { ok: true, run_id: runId, warnings: request.warnings }, headers);
  }

  app.get('/runs', (c) => {
    const given = c.req.query('before');
    const before = given === undefined ? undefined : requireRun(given).run_id;
    const page = store.list({ limit: pageSize(c.req.query('limit')), before });
    return c.json({ ok: true, runs: page });
  });

  app.get('/runs/:id', (c) => c.json({ ok: true, run: requireRun(c.req.param('id')) }));

  app.post('/runs/:id/stop', async (c) => {
    const { run_id, outcome, status } = requireRun(c.req.param('id'));
    if (status === 'queued' && runs.cancelQueued(run_id)) {
      return c.json({ ok: true, run: requireRun(run_id) });
    }
    const wasLaunching = await runs.callOff(run_id);
    if (watch.active()?.record.run_id === run_id) await watch.stop('stopped');
    else if (!wasLaunching) {
      throw new LooperError('NOT_ACTIVE', `run ${run_id} is not active (${outcome ?? status})`);
    }
    return c.json({ ok: true, run: requireRun(run_id) });
  });

  app.post('/runs/:id/reply', async (c) => {
    const { run_id } = requireRun(c.req.param('id'));
    const text = parseReply(await readJsonObject(c));
    const answer = await deps.replies.reply(run_id, text, c.get('requestId'));
    return c.json(toRunAnswer(answer, config.codex.sandbox));
  });

  addReadRoutes(app, { ...deps, ...deps.reads }, requireStored);
  dashboard.addRoutes(app, requireStored);
  addHookRoutes(app, { ...deps.hooks, log });

  app.get('/autopoll', (c) => c.json({ ok: true, autopoll: autopoll.status() }));
  app.post('/autopoll/pause', (c) => c.json({ ok: true, autopoll: autopoll.pause() }));
  app.post('/autopoll/resume', (c) => c.json({ ok: true, autopoll: autopoll.resume() }));

  function requireRun(id: string): RunRecord {
    return requireStored(id).record;
  }

  function requireStored(id: string): StoredRun {
    const run =
      id === 'current'
        ? watch.active()
        : id === 'latest'
          ? store.latest()
          : isRunId(id)
            ? store.find(id)
            : null;
    if (run !== null) return run;
    const what = id === 'current' ? 'no run is active' : `there is no run ${JSON.stringify(id)}`;
    throw new LooperError('NOT_FOUND', what);
  }

  return app;
}

/** Binds the app; resolves once it answers. */
export function startServer(
  app: Hono<HttpEnv>,
  { host, port }: Pick<Config['http'], 'host' | 'port'>,
  log: Logger,
): Promise<HttpServer> {
  const onError = (err: Error): void => log.error({ err }, 'http.connection_refused');
  return startHttpServer({ fetch: app.fetch, host, port, onError });
}

function jsonAnswer(
  status: number,
  body: Record<string, unknown>,
  headers: Readonly<Record<string, string>> = {},
): StoredAnswer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}

function toResponse(
  { status, headers, body }: StoredAnswer,
  more: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, { status, headers: { ...headers, ...more } });
}

/** RFC 7240: preferences are separated by commas, over one header or several. */
function prefersAsync(header: string | undefined): boolean {
  return header?.split(',').some((one) => one.trim().toLowerCase() === 'respond-async') ?? false;
}

function pageSize(given: string | undefined): number {
  if (given === undefined) return DEFAULT_PAGE;
  const size = /^\d{1,6}$/.test(given) ? Number(given) : 0;
  if (size >= 1) return Math.min(size, MAX_PAGE);
  throw new LooperError(
    'REQUEST_INVALID',
    `'limit' must be a whole number from 1 to ${MAX_PAGE} (it was ${JSON.stringify(given)})`,
  );
}
