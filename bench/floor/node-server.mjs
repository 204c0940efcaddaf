/** The floor of every server: Node's own, with one route and a refusal. */
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  const isHealth = request.url === '/health';
  response.writeHead(isHealth ? 200 : 401, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ ok: isHealth }));
});
server.listen(Number(process.env.LOOPER_PORT), '127.0.0.1', () => {
  console.log(`listens on http://127.0.0.1:${server.address().port}`);
});
