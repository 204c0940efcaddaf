/** Counts the living agents in a thread of its own, so that nothing delays the next look. */
import { Worker } from 'node:worker_threads';

/**
 * @param {string} campaign the value of CHAOS_DIR in the environment of the campaign's processes
 * @param {(sentence: string) => void} violation
 */
export function startSampler(campaign, violation) {
  const flags = new Int32Array(new SharedArrayBuffer(4));
  const url = new URL('./sampler.mjs', import.meta.url);
  const worker = new Worker(url, { workerData: { campaign, flags } });
  let done;
  const figures = new Promise((resolve) => (done = resolve));
  worker.on('message', (message) => {
    if (message.kind === 'figures') done(message.figures);
    else violation(`two agents at once: ${JSON.stringify(message.seen)}`);
  });
  return {
    stop: () => {
      Atomics.store(flags, 0, 1);
      return figures;
    },
  };
}
