/** The floor of a daemon built with Hono: the same route and refusal. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const app = new Hono();
app.get('/health', (context) => context.json({ ok: true }));
app.all('*', (context) => context.json({ ok: false }, 401));
serve({ fetch: app.fetch, port: Number(process.env.LOOPER_PORT), hostname: '127.0.0.1' }, (info) =>
  console.log(`listens on http://127.0.0.1:${info.port}`),
);
