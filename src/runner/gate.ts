import { Socket } from 'node:net';
import type { RunnerReply, RunOrder } from './order.ts';

/** The descriptor of the socket pair that the daemon leaves a runner; the agent never inherits it. */
const GATE_FD = 3;

/**
 * The runner's side of its gate. Until the daemon's order has come in whole, the runner has
 * touched nothing; when the daemon dies first, `order` is null and the runner has nothing to do.
 */
export interface Gate {
  readonly order: Promise<RunOrder | null>;
  /** True once the daemon is gone or has closed its side. */
  isClosed(): boolean;
  /** Tells the daemon; a lost message harms nobody, for the files say the same. */
  reply(reply: RunnerReply): void;
}

export function openGate(): Gate {
  const socket = new Socket({ fd: GATE_FD, readable: true, writable: true });
  let closed = false;
  let text = '';
  const order = new Promise<RunOrder | null>((resolve) => {
    const close = (): void => {
      closed = true;
      resolve(null);
    };
    socket.on('error', close);
    socket.on('end', close);
    socket.on('close', close);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      const newline = text.indexOf('\n');
      // The other end of a socket pair is the daemon that spawned us: its line needs no schema.
      if (newline >= 0) resolve(JSON.parse(text.slice(0, newline)) as RunOrder);
    });
  });
  return {
    order,
    isClosed: () => closed,
    reply: (reply) => {
      if (!closed) socket.write(`${JSON.stringify(reply)}\n`);
    },
  };
}
