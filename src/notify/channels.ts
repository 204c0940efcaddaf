import type { Config } from '../config.ts';
import type { Notifier, NotifyLog } from './index.ts';
import { createZulip } from './zulip.ts';
import { resolveZulipCredentials } from './zuliprc.ts';

export interface Channels {
  readonly notifiers: readonly Notifier[];
  /** What is configured in part and therefore not used, in sentences. */
  readonly problems: readonly string[];
}

/** The channels that the configuration names; none: announcements go to the log. */
export function createChannels(config: Config['notify'], log: NotifyLog): Channels {
  const { zulip, timeoutMs } = config;
  const warn = (warning: string): void => log.warn({ warning }, 'notify.warning');
  const credentials = resolveZulipCredentials(
    { ...zulip, email: zulip.botEmail, apiKey: zulip.botApiKey },
    warn,
  );
  if (credentials === null) return { notifiers: [], problems: [] };
  const { messageType, stream, topic, to } = zulip;
  const channel = createZulip(
    { ...credentials, type: messageType, stream, topic, to },
    { timeoutMs, log },
  );
  const { ok, output } = channel.check();
  if (ok) return { notifiers: [channel], problems: [] };
  warn(output);
  return { notifiers: [], problems: [output] };
}
