import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { LooperError } from '../../src/errors.ts';
import { createFanOut, type Announcement, type Notifier } from '../../src/notify/index.ts';

const ANNOUNCEMENT: Announcement = { kind: 'start', text: 'hello', runId: '0a1b2c3d' };

function createLog() {
  const lines: Array<{ level: string; event: string; fields: Record<string, unknown> }> = [];
  const write = (level: string) => (fields: object, event: string) => {
    lines.push({ level, event, fields: { ...fields } });
  };
  return { lines, info: write('info'), warn: write('warn') };
}

function channel(name: string, send: Notifier['send']): Notifier {
  return { name, send };
}

const delivering = channel('good', async () => ({ output: 'OK 1' }));

describe('createFanOut', () => {
  it('writes to the log when nothing is configured, and says so', async () => {
    const log = createLog();
    const announced = await createFanOut([], { timeoutMs: 100, log }).announce(ANNOUNCEMENT);
    expect(announced).toEqual({
      notified: false,
      output: 'no announcement channel is configured: written to the server log only',
      failures: [],
    });
    expect(log.lines[0]).toMatchObject({
      event: 'notify.logged',
      fields: { kind: 'start', text: 'hello', runId: '0a1b2c3d' },
    });
  });

  it('joins what the channels said, in their order', async () => {
    const second = channel('second', async () => ({ output: 'OK 2' }));
    const log = createLog();
    const announced = await createFanOut([delivering, second], { timeoutMs: 100, log }).announce(
      ANNOUNCEMENT,
    );
    expect(announced).toEqual({ notified: true, output: 'OK 1; OK 2', failures: [] });
    expect(log.lines.map((line) => line.event)).toEqual(['notify.sent', 'notify.sent']);
  });

  it('delivers through the others when one fails or throws at once', async () => {
    const refused = channel('refused', async () => {
      throw new LooperError('NOTIFY_FAILED', 'the server said no');
    });
    const buggy = channel('buggy', () => {
      throw new TypeError('cannot read secret-value');
    });
    const log = createLog();
    const announced = await createFanOut([refused, buggy, delivering], {
      timeoutMs: 100,
      log,
    }).announce(ANNOUNCEMENT);
    expect(announced).toEqual({
      notified: true,
      output: 'OK 1',
      failures: ['refused: the server said no', 'buggy: internal error, see the server log'],
    });
    const warnings = log.lines.filter((line) => line.level === 'warn');
    expect(
      warnings.map((line) => `${line.event} ${String(line.fields['channel'])}`).sort(),
    ).toEqual(['notify.failed buggy', 'notify.failed refused']);
  });

  it('makes the failures the output when nothing was delivered', async () => {
    const refused = channel('refused', async () => {
      throw new LooperError('NOTIFY_FAILED', 'no');
    });
    const announced = await createFanOut([refused], { timeoutMs: 100, log: createLog() }).announce(
      ANNOUNCEMENT,
    );
    expect(announced).toEqual({
      notified: false,
      output: 'refused: no',
      failures: ['refused: no'],
    });
  });

  it('row 12: ends at the deadline even when a channel ignores its signal', async () => {
    let aborted = false;
    const deaf = channel('deaf', async (_announcement, signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise<never>(() => undefined);
    });
    const startedAt = performance.now();
    const announced = await createFanOut([deaf, delivering], {
      timeoutMs: 50,
      log: createLog(),
    }).announce(ANNOUNCEMENT);
    expect(announced.failures).toEqual([
      'deaf: no answer within 0.05 s (LOOPER_NOTIFY_TIMEOUT_SECONDS)',
    ]);
    expect(announced.notified).toBe(true);
    expect(aborted).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it('asks all channels at once', async () => {
    let waiting = 0;
    const gate = new AbortController();
    const patient = (name: string) =>
      channel(name, async (_announcement, signal) => {
        waiting += 1;
        if (waiting === 3) gate.abort();
        else await once(AbortSignal.any([gate.signal, signal]), 'abort');
        return { output: name };
      });
    const channels = [patient('a'), patient('b'), patient('c')];
    const fanOut = createFanOut(channels, { timeoutMs: 2000, log: createLog() });
    expect(await fanOut.announce(ANNOUNCEMENT)).toMatchObject({ output: 'a; b; c', failures: [] });
  });
});
