/** Starts daemons for real and speaks to the one that answers. */
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const ALREADY_RUNNING = 3;

/**
 * @param {ReturnType<typeof import('./field.mjs').createField>} field
 * @param {(sentence: string) => void} violation
 */
export function createDaemons(field, violation) {
  const all = [];

  /** Every second one leaves its run alone when it is asked to end. */
  const start = () => {
    const onShutdown = all.length % 2 === 0 ? 'stop' : 'detach';
    const child = spawn(process.execPath, [cli, 'serve'], {
      cwd: field.home,
      env: { ...field.environment, LOOPER_ON_SHUTDOWN: onShutdown },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const daemon = { child, url: null, output: '', startedAt: Date.now(), endedAt: Infinity };
    const hear = (chunk) => {
      daemon.output += chunk.toString();
      daemon.url ??= /listens on (http:\S+)/.exec(daemon.output)?.[1] ?? null;
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    daemon.exited = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        daemon.endedAt = Date.now();
        judgeExit(daemon, code, signal);
        resolve({ code, signal });
      });
    });
    all.push(daemon);
    return daemon;
  };

  /** A daemon ends by our signal, or because another one runs. */
  const judgeExit = (daemon, code, signal) => {
    const { startedAt, endedAt, child, isAskedToEnd, output } = daemon;
    if (signal === 'SIGKILL' || (isAskedToEnd && (code === 0 || code === 130))) return;
    const isRival = (other) => other !== daemon && other.endedAt > startedAt;
    if (code === ALREADY_RUNNING && all.some(isRival)) return;
    violation(
      `daemon ${child.pid} (${endedAt - startedAt} ms old) ended by itself, code ${code}, signal ${signal}: ${output.slice(-800)}`,
    );
  };

  const living = () => all.filter(({ endedAt }) => endedAt === Infinity);

  return {
    start,
    living,
    count: () => all.length,
    /** One that listens; starts one where none lives. Throws after `limitMs`. */
    ready: async (limitMs) => {
      const deadline = performance.now() + limitMs;
      while (performance.now() < deadline) {
        if (living().length === 0) start();
        const daemon = living().find(({ url }) => url !== null);
        if (daemon !== undefined) return daemon;
        await delay(5);
      }
      throw new Error(`no daemon listens after ${limitMs} ms`);
    },
    /** SIGTERM: what a service manager does. */
    askToEnd: (daemon) => {
      daemon.isAskedToEnd = true;
      daemon.child.kill('SIGTERM');
    },
  };
}

/**
 * One request on a connection of its own.
 *
 * @returns {Promise<{status: number, body: Record<string, any>}>} status 0: nobody answered
 */
export function ask(daemon, method, path, body, timeoutMs = 20_000) {
  return new Promise((resolve) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = text === '' ? {} : { 'Content-Type': 'application/json' };
    const outgoing = request(daemon.url + path, {
      method,
      headers,
      agent: false,
      timeout: timeoutMs,
    });
    const nobody = (error) => resolve({ status: 0, body: { error: error.message } });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    outgoing.on('error', nobody);
    outgoing.on('response', async (response) => {
      try {
        let answer = '';
        for await (const chunk of response) answer += chunk;
        resolve({ status: response.statusCode, body: JSON.parse(answer) });
      } catch (error) {
        nobody(error);
      }
    });
    outgoing.end(text);
  });
}
