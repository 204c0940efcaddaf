import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { ConfigFile } from '../config-file.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { DaemonLog } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { createHealthcheck } from '../notify/healthcheck.ts';
import type { Notifier } from '../notify/index.ts';
import { createOutbox, type Outbox } from '../notify/outbox.ts';
import { realLocation } from '../paths.ts';
import { createRunAnnouncer, type RunAnnouncer } from '../run/announce-end.ts';
import type { RunStore } from '../runs/store.ts';
import { createFileChannels } from './file-channels.ts';

export interface Announcements {
  readonly outbox: Outbox;
  readonly announcer: RunAnnouncer;
  readonly notifiers: readonly Notifier[];
  /** What is configured in part and therefore not used, in sentences. */
  readonly problems: readonly string[];
}

/** Opens the channels and the outbox in front of them; follows the configuration file. */
export function openAnnouncements(parts: {
  readonly config: Config;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly file: ConfigFile;
  readonly store: RunStore;
  readonly metrics: Metrics;
  readonly logger: DaemonLog;
  readonly lifecycle: Lifecycle;
}): Announcements {
  const { config, environment, file, store, metrics, lifecycle } = parts;
  const { log, redactor } = parts.logger;
  const channelsOf = (current: ReturnType<ConfigFile['current']>) => {
    const created = createFileChannels(current, { config, environment, log });
    for (const secret of created.secretValues) redactor.add(secret);
    return { ...created, notifiers: created.notifiers.map(metrics.counting) };
  };
  let channels = channelsOf(file.current());
  const { timeoutMs, required, healthcheckUrl } = config.notify;
  const outbox = createOutbox({
    directory: join(config.logs.directory, 'outbox'),
    channels: channels.notifiers,
    timeoutMs,
    retryStarts: !required,
    redact: redactor.strings,
    log,
  });
  file.onChange((current) => {
    try {
      channels = channelsOf(current);
      outbox.use(channels.notifiers);
    } catch (err) {
      // A secret that is missing now must not silence the channels that work.
      log.error({ err }, 'config.channels_kept');
    }
  });
  const healthcheck = createHealthcheck(healthcheckUrl, { timeoutMs, redact: redactor.text, log });
  lifecycle.onClose('announcements', async () => {
    await Promise.all([outbox.close(), healthcheck.drain()]);
  });
  const announcer = createRunAnnouncer({
    store,
    post: outbox.post,
    healthcheck,
    goesOnByItself: (workspace) => {
      const { directory: own } = config.workspace;
      return config.autopoll.enabled && own !== undefined && realLocation(own) === workspace;
    },
    log,
  });
  return {
    outbox,
    announcer,
    get notifiers() {
      return channels.notifiers;
    },
    get problems() {
      return channels.problems;
    },
  };
}
