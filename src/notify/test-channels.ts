import { randomBytes } from 'node:crypto';
import { deliver } from './deliver.ts';
import type { Channel, NotifyLog } from './index.ts';

export interface ChannelTest {
  readonly channel: string;
  readonly ok: boolean;
  /** What the channel said, or what is wrong, in words. */
  readonly sentence: string;
}

const TEXT = 'A test of the announcements of Looper (looper notify test). Nothing was started.';

/** Sends a test message through every channel at once, whatever kinds it takes. */
export async function testChannels(
  channels: readonly Channel[],
  { timeoutMs, log }: { readonly timeoutMs: number; readonly log: NotifyLog },
): Promise<ChannelTest[]> {
  const id = `looper_test_${randomBytes(4).toString('hex')}`;
  const at = new Date().toISOString();
  const message = { kind: 'message', text: TEXT, runId: null, id, at } as const;
  return Promise.all(
    channels.map(async (channel) => {
      const attempt = await deliver(channel, message, { timeoutMs, log });
      return attempt.kind === 'delivered'
        ? { channel: channel.name, ok: true, sentence: attempt.output }
        : { channel: channel.name, ok: false, sentence: attempt.sentence };
    }),
  );
}
