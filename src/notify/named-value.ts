import type { Config } from '../config.ts';
import type { ChannelConfig } from './channel-config.ts';
import type { NotifyLog } from './index.ts';
import type { SecretSource } from './secret-source.ts';

/** What is found out while the channels are made. */
export interface Context {
  readonly config: Config['notify'];
  readonly log: NotifyLog;
  readonly problems: string[];
  /** Of the file: a daemon does not start with these. */
  readonly faults: string[];
  readonly secretValues: string[];
}

/** What an entry says itself, or what the file or variable holds that it names. */
export function namedValue(
  entry: ChannelConfig,
  setting: 'url' | 'secret' | 'topic' | 'token',
  secrets: SecretSource,
  { log, faults, secretValues }: Context,
): string | null {
  const given = entry as Readonly<Record<string, unknown>>;
  const named = (suffix: string): string | null => {
    const value = given[setting + suffix];
    return typeof value === 'string' ? value : null;
  };
  const [inline, path, variable] = [named(''), named('_file'), named('_env')];
  if (path === null && variable === null) return inline;
  const secret = path === null ? secrets.variable(variable ?? '') : secrets.file(path);
  if (secret.kind === 'missing') {
    faults.push(
      `channel "${entry.name}": ${setting}_${path === null ? 'env' : 'file'}: ${secret.why}`,
    );
    return null;
  }
  if (secret.warning !== null) log.warn({ warning: secret.warning }, 'notify.warning');
  secretValues.push(secret.value);
  return secret.value;
}

/** The value itself is not repeated: it is a secret. */
export function checkedUrl(given: string | null, name: string, { faults }: Context): string | null {
  if (given === null) return null;
  const url = URL.canParse(given) ? new URL(given) : null;
  const isPlain = url !== null && url.username === '' && url.password === '';
  if (isPlain && ['http:', 'https:'].includes(url.protocol)) return given;
  faults.push(`channel "${name}": its url is not an http(s) address without user name`);
  return null;
}
