import type { SchemaName } from './schemas.ts';

export interface ApiAnswer {
  readonly description: string;
  /** JSON of this shape. */
  readonly schema?: SchemaName;
  /** Anything else. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly type?: 'string' | 'integer';
}

/** One route of the contract, described. */
export interface ApiRoute {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  readonly parameters?: readonly ApiParameter[];
  readonly body?: { readonly schema: SchemaName } | { readonly contentTypes: readonly string[] };
  readonly answers: Readonly<Record<number, ApiAnswer>>;
  /** Statuses that are answered with a problem document. */
  readonly problems: readonly number[];
  /** Whether it is answered without the token. */
  readonly isOpen?: boolean;
}

const RUN_ID: ApiParameter = {
  name: 'id',
  in: 'path',
  description: 'A run id, `current` or `latest`.',
};
const RUN_ANSWER: ApiAnswer = { description: 'What came of it.', schema: 'RunAnswer' };
const AUTOPOLL: ApiAnswer = { description: 'The idle timer.', schema: 'Autopoll' };
const EVENTS = 'text/event-stream';
const RUN_PROBLEMS = [400, 403, 409, 413, 415, 422, 500, 502, 503];

/** Every route, in the order of the contract. */
export const API_ROUTES: readonly ApiRoute[] = [
  {
    method: 'get',
    path: '/health',
    summary: 'Whether the service answers',
    answers: { 200: { description: 'It does.', schema: 'Health' } },
    problems: [],
    isOpen: true,
  },
  {
    method: 'get',
    path: '/ready',
    summary: 'Whether a run could start and be heard of',
    answers: {
      200: { description: 'It could.', schema: 'Ready' },
      503: { description: 'What is missing.', schema: 'Ready' },
    },
    problems: [],
  },
  {
    method: 'post',
    path: '/run',
    summary: 'Announce, stop stale agents, start one run',
    parameters: [
      {
        name: 'Idempotency-Key',
        in: 'header',
        description: 'For 24 h the same key and body get the first answer again.',
      },
      {
        name: 'Prefer',
        in: 'header',
        description: '`respond-async`: 202 at once, with `Location`.',
      },
      {
        name: 'X-Looper-Run-Id',
        in: 'header',
        description: 'LOOPER_RUN_ID of a caller inside the active run: it is queued behind it.',
      },
    ],
    body: { schema: 'RunBody' },
    answers: {
      200: RUN_ANSWER,
      202: {
        description: 'Accepted; the run tells the rest.',
        schema: 'Accepted',
        headers: { Location: 'The path of the run.' },
      },
    },
    problems: RUN_PROBLEMS,
  },
  {
    method: 'get',
    path: '/runs',
    summary: 'Run records, newest first',
    parameters: [
      { name: 'limit', in: 'query', description: '1 to 500; default 50.', type: 'integer' },
      { name: 'before', in: 'query', description: 'A run id: only older runs.' },
    ],
    answers: { 200: { description: 'A page.', schema: 'Runs' } },
    problems: [400, 404],
  },
  {
    method: 'get',
    path: '/runs/{id}',
    summary: 'One run record',
    parameters: [RUN_ID],
    answers: { 200: { description: 'The run.', schema: 'Run' } },
    problems: [404],
  },
  {
    method: 'get',
    path: '/runs/{id}/log',
    summary: 'The raw run log',
    parameters: [
      RUN_ID,
      {
        name: 'Range',
        in: 'header',
        description: 'One range of bytes, also open-ended or a suffix.',
      },
    ],
    answers: {
      200: { description: 'All of it, as it is now.', contentType: 'text/plain' },
      206: {
        description: 'The part that was asked for.',
        contentType: 'text/plain',
        headers: { 'Content-Range': 'Which part of how many bytes.' },
      },
    },
    problems: [404, 416],
  },
  {
    method: 'get',
    path: '/runs/{id}/events',
    summary: 'The log, line by line, and the lifecycle of a run as server-sent events',
    parameters: [
      RUN_ID,
      {
        name: 'Last-Event-ID',
        in: 'header',
        description: '`<log offset>-<events offset>`: go on behind this event.',
      },
    ],
    answers: {
      200: {
        description: '`log` events (LogEvent) and lifecycle events (RunEvent), `end` last.',
        contentType: EVENTS,
      },
      204: { description: 'This reader has had the end.' },
    },
    problems: [404],
  },
  {
    method: 'post',
    path: '/runs/{id}/stop',
    summary: 'Stop a run; answers when its tree is gone',
    parameters: [RUN_ID],
    answers: { 200: { description: 'It has ended.', schema: 'Run' } },
    problems: [404, 409],
  },
  {
    method: 'post',
    path: '/runs/{id}/reply',
    summary: "Answer a run's question; starts the loop again",
    parameters: [RUN_ID],
    body: { schema: 'ReplyBody' },
    answers: { 200: RUN_ANSWER },
    problems: [404, ...RUN_PROBLEMS],
  },
  {
    method: 'get',
    path: '/tickets',
    summary: 'The ticket queue of a workspace, in order, with lint findings',
    parameters: [
      { name: 'workspace', in: 'query', description: 'A directory; default LOOPER_WORKSPACE.' },
    ],
    answers: { 200: { description: 'The queue.', schema: 'Tickets' } },
    problems: [403, 422],
  },
  {
    method: 'get',
    path: '/tickets/{file}',
    summary: 'The text of one ticket',
    parameters: [
      { name: 'file', in: 'path', description: 'A file name, as `GET /tickets` gives it.' },
      { name: 'workspace', in: 'query', description: 'A directory; default LOOPER_WORKSPACE.' },
    ],
    answers: { 200: { description: 'Its text.', schema: 'TicketText' } },
    problems: [403, 404, 422],
  },
  {
    method: 'get',
    path: '/autopoll',
    summary: 'The idle timer: why it waits, when it looks next',
    answers: { 200: AUTOPOLL },
    problems: [],
  },
  {
    method: 'post',
    path: '/autopoll/pause',
    summary: 'Start nothing automatically until it is resumed',
    answers: { 200: AUTOPOLL },
    problems: [],
  },
  {
    method: 'post',
    path: '/autopoll/resume',
    summary: 'Start work automatically again',
    answers: { 200: AUTOPOLL },
    problems: [],
  },
  {
    method: 'post',
    path: '/hooks/{name}',
    summary: 'A signed webhook',
    parameters: [{ name: 'name', in: 'path', description: 'As in the configuration file.' }],
    body: { contentTypes: ['application/json', 'application/x-www-form-urlencoded'] },
    answers: {
      200: { description: 'Heard; nothing is started.', schema: 'HookAnswer' },
      202: { description: 'A run is triggered in the background.', schema: 'HookAnswer' },
    },
    problems: [400, 404, 409, 413, 415],
  },
  {
    method: 'get',
    path: '/events',
    summary: 'The lifecycle of all runs as server-sent events, from now on',
    answers: {
      200: {
        description: 'A `status` event (Status), then lifecycle events (RunEvent).',
        contentType: EVENTS,
      },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/metrics',
    summary: 'Prometheus text',
    answers: { 200: { description: 'All metrics.', contentType: 'text/plain' } },
    problems: [],
  },
  {
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1.', contentType: 'application/json' } },
    problems: [],
  },
  {
    method: 'get',
    path: '/',
    summary: 'The dashboard',
    answers: { 200: { description: 'A page.', contentType: 'text/html' } },
    problems: [],
  },
  {
    method: 'post',
    path: '/login',
    summary: "The dashboard's log-in",
    body: { contentTypes: ['application/x-www-form-urlencoded'] },
    answers: {
      303: {
        description: 'To the dashboard, with its cookie.',
        headers: { Location: 'The dashboard.' },
      },
    },
    problems: [],
    isOpen: true,
  },
  {
    method: 'post',
    path: '/logout',
    summary: "Ends the dashboard's session in this browser",
    answers: {
      303: { description: 'To the log-in.', headers: { Location: 'The dashboard.' } },
    },
    problems: [],
  },
  {
    method: 'get',
    path: '/assets/{folder}/{file}',
    summary: 'What the dashboard loads',
    parameters: [
      { name: 'folder', in: 'path', description: 'As the page says.' },
      { name: 'file', in: 'path', description: 'As the page says.' },
    ],
    answers: { 200: { description: 'A style or a module.', contentType: 'text/javascript' } },
    problems: [404],
  },
];
