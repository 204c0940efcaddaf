import { notifyFailed } from '../../src/notify/failure.ts';
import { ANNOUNCEMENT_KINDS, type AnnouncementKind, type Channel } from '../../src/notify/index.ts';

export interface ScriptedChannel extends Channel {
  /** The texts that were delivered, in order. */
  readonly delivered: string[];
  /** Every text that it was given. */
  readonly tried: string[];
  /** What it does with the next messages. */
  does: 'deliver' | 'fail' | 'refuse' | 'doubt' | 'hang' | 'ask for 20 min';
}

/** A channel that behaves as it is told. */
export function scriptedChannel(
  name: string,
  kinds: readonly AnnouncementKind[] = ANNOUNCEMENT_KINDS,
): ScriptedChannel {
  const channel: ScriptedChannel = {
    name,
    kinds: new Set(kinds),
    delivered: [],
    tried: [],
    does: 'deliver',
    async send({ text }, signal) {
      channel.tried.push(text);
      switch (channel.does) {
        case 'deliver':
          channel.delivered.push(text);
          return { output: `OK ${name}` };
        case 'fail':
          throw notifyFailed('it is down');
        case 'ask for 20 min':
          throw notifyFailed('too many requests', { retryAfterMs: 1_200_000 });
        case 'refuse':
          throw notifyFailed('this is too rude', { isRefusal: true });
        case 'doubt':
          throw notifyFailed('the answer broke off', { isInDoubt: true });
        case 'hang':
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reject(notifyFailed('did not answer', { isInDoubt: true }));
            });
          });
      }
      return channel.does satisfies never;
    },
  };
  return channel;
}
