import type { Context, Hono, MiddlewareHandler } from 'hono';
import type { Config } from '../config.ts';
import { LooperError } from '../errors.ts';
import type { HttpEnv } from '../http/answers.ts';
import { readBody } from '../http/body.ts';
import { tokenMatcher } from '../http/guard.ts';
import { problemOf } from '../http/problem.ts';
import { inert } from '../render/inert.ts';
import type { StoredRun } from '../runs/store.ts';
import { resolveTicketsDirectory } from '../tickets/directory.ts';
import { loadQueue } from '../tickets/queue.ts';
import { readTicketFile } from '../tickets/ticket-file.ts';
import { printable } from '../tickets/text.ts';
import { createAssets, MODULE_PATHS } from './assets.ts';
import { detourPage, LOGIN_POLICY, loginPage } from './login-page.ts';
import { createModel, type ModelDeps } from './model.ts';
import { dashboardPage } from './page.ts';
import { createSessions } from './session.ts';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const FORM = /^application\/x-www-form-urlencoded\s*(?:;|$)/i;
/** The origin of our own forms must stay readable for the guard; other sites learn nothing. */
const REFERRER = { 'Referrer-Policy': 'same-origin' };

export interface DashboardDeps extends ModelDeps {
  readonly http: Pick<Config['http'], 'token'>;
  /** `dist/`, whose modules the browser loads. */
  readonly assetsDirectory: string;
}

export interface Dashboard {
  /** For the guard: the cookie of the log-in counts like the token. */
  hasSession(c: Context<HttpEnv>): boolean;
  /** The outermost middleware: a person at a browser gets a page where others get a problem. */
  readonly showLogin: MiddlewareHandler<HttpEnv>;
  /** `requireRun` finds a run by its id or throws `NOT_FOUND`. */
  addRoutes(app: Hono<HttpEnv>, requireRun: (id: string) => StoredRun): void;
}

/** The dashboard: its page, what the page loads, and the log-in where a token is set. */
export function createDashboard(deps: DashboardDeps): Dashboard {
  const { token } = deps.http;
  const sessions = token === undefined ? null : createSessions(token);
  const matchesToken = token === undefined ? () => true : tokenMatcher(token);

  return {
    hasSession: (c) => sessions?.isValid(c.req.header('cookie')) ?? false,
    showLogin,
    addRoutes: (app, requireRun) => {
      addPages(app, requireRun);
      addLogin(app);
    },
  };

  function addPages(app: Hono<HttpEnv>, requireRun: (id: string) => StoredRun): void {
    const readModel = createModel(deps);
    const readAsset = createAssets(deps.assetsDirectory);

    app.get('/', async (c) => {
      const [run, before] = [c.req.query('run'), c.req.query('before')];
      const model = await readModel({
        run: run === undefined ? null : requireRun(run),
        before: before === undefined ? null : requireRun(before).record.run_id,
      });
      const page = dashboardPage(model, { hasLogin: sessions !== null, modules: MODULE_PATHS });
      return c.html(page, 200, { 'Content-Security-Policy': POLICY, ...REFERRER });
    });

    app.get('/assets/:folder/:file', async (c) => {
      const asset = await readAsset(`${c.req.param('folder')}/${c.req.param('file')}`);
      if (asset === null) throw new LooperError('NOT_FOUND', `there is nothing at ${c.req.path}`);
      // Asked for again each time, so that an update never mixes old and new modules.
      const headers = { 'Cache-Control': 'no-cache', ETag: asset.etag };
      if (c.req.header('if-none-match') === asset.etag) return c.body(null, 304, headers);
      return c.body(asset.body, 200, { ...headers, 'Content-Type': asset.contentType });
    });

    app.get('/tickets/:file', async (c) => {
      const workspace = deps.resolveWorkspace(c.req.query('workspace') ?? null);
      const file = c.req.param('file');
      const text = await readTicket(workspace, deps.ticketsDirectory, file);
      return c.json({ ok: true, file, text });
    });
  }

  function addLogin(app: Hono<HttpEnv>): void {
    app.post('/login', async (c) => {
      if (sessions === null) return c.redirect('/', 303);
      const type = c.req.header('content-type') ?? '';
      if (!FORM.test(type)) {
        throw new LooperError(
          'CONTENT_TYPE_UNSUPPORTED',
          `the body must be a form (application/x-www-form-urlencoded), not ${JSON.stringify(type)}`,
        );
      }
      const form = new URLSearchParams(Buffer.from(await readBody(c)).toString('utf8'));
      if (!matchesToken([form.get('token')?.trim() ?? ''])) {
        throw new LooperError('UNAUTHORISED', 'That is not the token of this service.');
      }
      const isSecure = c.req.header('origin')?.startsWith('https:') ?? false;
      c.header('Set-Cookie', sessions.begin(isSecure));
      return c.redirect('/', 303);
    });

    app.post('/logout', (c) => {
      if (sessions !== null) c.header('Set-Cookie', sessions.end());
      return c.redirect('/', 303);
    });
  }
}

const showLogin: MiddlewareHandler<HttpEnv> = async (c, next) => {
  await next();
  const page = pageInstead(c);
  if (page === null) return;
  // What the problem said in headers (`Retry-After`) stays: hono keeps them for the new answer.
  c.res = await c.html(page, c.res.status as 401, {
    'Content-Security-Policy': LOGIN_POLICY,
    ...REFERRER,
  });
};

/** Null: the answer stands as it is. */
function pageInstead(c: Context<HttpEnv>) {
  const { method, path } = c.req;
  const { error } = c;
  if (!(error instanceof LooperError)) return null;
  if (method === 'POST' && path === '/login' && error.code === 'UNAUTHORISED') {
    const isLimited = c.res.status === 429;
    return loginPage(
      isLimited ? 'Too many wrong tokens: wait a minute.' : problemOf(error).sentence,
    );
  }
  if (method !== 'GET' || path !== '/') return null;
  if (error.code === 'UNAUTHORISED') {
    // A wrong token in a header is a program's, and has to be counted as one.
    const isProgram = ['authorization', 'x-looper-token'].some((name) => c.req.header(name));
    return isProgram ? null : loginPage(null);
  }
  const isLink =
    c.req.header('sec-fetch-mode') === 'navigate' && c.req.header('sec-fetch-dest') === 'document';
  return error.code === 'FORBIDDEN' && isLink ? detourPage() : null;
}

/** The text of one ticket of the queue, inert. `file`: its name as `GET /tickets` gives it. */
async function readTicket(
  workspace: string,
  override: string | undefined,
  file: string,
): Promise<string> {
  const missing = (): LooperError =>
    new LooperError('NOT_FOUND', `there is no ticket ${JSON.stringify(file)} in ${workspace}`);
  const found = resolveTicketsDirectory(workspace, override);
  if (found.kind === 'none') throw missing();
  const { entries } = await loadQueue({ directory: found.directory });
  const entry = entries.find(({ fileName }) => printable(fileName) === file);
  if (entry === undefined) throw missing();
  const read = readTicketFile(found.directory, entry.fileName);
  if (read.kind === 'gone') throw missing();
  if (read.kind === 'text') return inert(read.text);
  return read.problems.map(({ message, instead }) => `${message}: ${instead}`).join('\n');
}
