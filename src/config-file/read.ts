import { dirname } from 'node:path';
import type { z } from 'zod';
import { readSmallFile } from '../config/small-file.ts';
import type { Hook } from '../hooks/hook.ts';
import { knowsSenders } from '../hooks/senders.ts';
import { secretProblem } from '../hooks/verify.ts';
import type { ChannelConfig } from '../notify/channel-config.ts';
import { createSecretSource, type SecretSource } from '../notify/secret-source.ts';
import { isInside } from '../paths.ts';
import { configFileError, Problems } from './problems.ts';
import { type HookValues, type ScheduleValues, entrySchemas, topSchema } from './schema.ts';
import { createSecretReader, type SecretReader } from './secrets.ts';
import { parseYaml } from './yaml.ts';

/** One entry under `schedules`. */
export interface Schedule {
  readonly name: string;
  readonly cron: string;
  /** Null: the time zone of the service. */
  readonly timezone: string | null;
  readonly message: string;
  readonly prompt: string | null;
  readonly workspace: string | null;
  readonly onBusy: 'replace' | 'reject' | 'queue' | null;
}

/** What `LOOPER_CONFIG_FILE` says, checked, with the secrets of the hooks read. */
export interface FileConfig {
  readonly hooks: readonly Hook[];
  readonly schedules: readonly Schedule[];
  readonly channels: readonly ChannelConfig[];
  /** Variables that hold a secret; the agent's environment goes without them. */
  readonly secretNames: readonly string[];
  /** What must never be written anywhere; see `createRedactor`. */
  readonly secretValues: readonly string[];
  /** Absolute paths of the files that it names as holding a secret. */
  readonly secretFiles: readonly string[];
  readonly warnings: readonly string[];
  /** Where the values come from that channels name. */
  readonly secrets: SecretSource;
}

export const NO_CONFIG_FILE: FileConfig = {
  hooks: [],
  schedules: [],
  channels: [],
  secretNames: [],
  secretValues: [],
  secretFiles: [],
  warnings: [],
  secrets: createSecretSource({ directory: '/', variables: {} }),
};

export interface ConfigFileSources {
  readonly path: string;
  /** Where `secret_env` and its like look: the daemon's environment and the env file's rest. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** `LOOPER_WORKSPACE`: no secret may lie where an agent works. */
  readonly workspace: string | undefined;
  /** Told which files hold secrets, also when the file has a problem: mending one may mend that. */
  readonly noteFiles?: (paths: readonly string[]) => void;
}

/** Reads and checks the file. Throws one `CONFIG_INVALID` that lists every problem with its line. */
export function readConfigFile(sources: ConfigFileSources): FileConfig {
  const { path } = sources;
  const parsed = parseYaml(readText(path));
  if (!parsed.ok) throw configFileError(path, parsed.problems);
  const { values } = parsed.file;
  const problems = new Problems(parsed.file);
  problems.addIssues(topSchema.safeParse(values).error?.issues ?? [], []);
  const hooks = parseEntries('hooks', entrySchemas.hooks, values, problems);
  const schedules = parseEntries('schedules', entrySchemas.schedules, values, problems);
  const channels = parseEntries('channels', entrySchemas.channels, values, problems);

  const workspaces = [...hooks, ...schedules].map(({ entry }) => entry.workspace);
  const source = createSecretSource({
    directory: dirname(path),
    variables: sources.variables,
    refuse: (file) => whyAgentCouldWrite(file, [sources.workspace, ...workspaces]),
  });
  const secrets = createSecretReader(source, dirname(path), problems);
  const config: FileConfig = {
    hooks: hooks.map(({ entry, index }) => toHook(entry, index, secrets, problems)),
    schedules: schedules.map(({ entry }) => toSchedule(entry)),
    channels: channels.map(({ entry, index }) => {
      secrets.readAll(entry, ['channels', index]);
      return entry;
    }),
    secretNames: secrets.names,
    secretValues: secrets.values,
    secretFiles: secrets.files,
    warnings: secrets.warnings,
    secrets: source,
  };
  sources.noteFiles?.(secrets.files);
  if (problems.list.length > 0) throw configFileError(path, problems.list);
  return config;
}

interface Entry<Values> {
  readonly entry: Values;
  readonly index: number;
}

/** Those without a problem of their own. Names have to differ: they stand in addresses and logs. */
function parseEntries<Schema extends z.ZodType<{ name: string }>>(
  list: keyof typeof entrySchemas,
  schema: Schema,
  values: Readonly<Record<string, unknown>>,
  problems: Problems,
): Entry<z.output<Schema>>[] {
  const given: unknown = values[list];
  const names = new Set<string>();
  return (Array.isArray(given) ? given : []).flatMap((value: unknown, index) => {
    const parsed = schema.safeParse(value);
    if (!parsed.success) {
      problems.addIssues(parsed.error.issues, [list, index]);
      return [];
    }
    const { name } = parsed.data;
    if (names.has(name)) {
      problems.add([list, index, 'name'], `is ${JSON.stringify(name)} for a second time`);
    }
    names.add(name);
    return [{ entry: parsed.data, index }];
  });
}

function readText(path: string): string {
  const file = readSmallFile(path);
  if (file.kind === 'read') return file.text;
  const sentence = file.kind === 'missing' ? 'the file does not exist' : `the file ${file.why}`;
  throw configFileError(path, [{ line: 1, sentence }]);
}

function whyAgentCouldWrite(
  file: string,
  workspaces: readonly (string | undefined)[],
): string | null {
  const place = workspaces.find((one) => one?.startsWith('/') === true && isInside(file, one));
  return place === undefined ? null : `${file} lies in the workspace ${place}: move it elsewhere`;
}

function toHook(
  values: HookValues,
  index: number,
  secrets: SecretReader,
  problems: Problems,
): Hook {
  const path = ['hooks', index];
  const { type } = values.verify;
  const secret = secrets.readOne(values.verify, [...path, 'verify']);
  const unfit = secret === null ? null : secretProblem(type, secret);
  if (unfit !== null) problems.add([...path, 'verify'], `names a secret that ${unfit}`);
  checkSenders(values, path, problems);
  checkWords(values, path, problems);
  return {
    name: values.name,
    verify: { type, secret: secret ?? '' },
    headers: values.when?.headers ?? {},
    payload: values.when?.payload ?? {},
    senders: values.senders?.map((sender) => sender.toLowerCase()) ?? null,
    isChat: values.chat ?? false,
    message: values.message ?? '',
    prompt: values.prompt ?? null,
    workspace: values.workspace ?? null,
    onBusy: values.on_busy ?? null,
  };
}

function checkSenders(hook: HookValues, path: PropertyKey[], problems: Problems): void {
  const { type } = hook.verify;
  if (hook.senders !== undefined && !knowsSenders(type)) {
    const rest = `cannot be checked: ${type} does not say who sends; write a condition under when`;
    problems.add([...path, 'senders'], rest);
  }
  if (hook.senders?.length === 0) {
    problems.add([...path, 'senders'], 'is empty, so nobody could use it: name somebody');
  }
}

/** What is announced and asked for comes from the file, or from the chat, never from both. */
function checkWords(hook: HookValues, path: PropertyKey[], problems: Problems): void {
  if (hook.chat !== true) {
    if (hook.message === undefined) {
      problems.add([...path, 'message'], 'is missing: write message: "Issue {{issue.number}}"');
    }
    return;
  }
  if (hook.verify.type !== 'zulip') {
    problems.add([...path, 'chat'], 'is only possible with verify: { type: zulip, … }');
  }
  if (hook.senders === undefined) {
    const rest = 'is missing: name who may command Looper, as in senders: [iago@zulip.example]';
    problems.add([...path, 'senders'], rest);
  }
  for (const key of ['message', 'prompt'] as const) {
    if (hook[key] === undefined) continue;
    problems.add([...path, key], 'has no use with chat: true, where people say it: remove it');
  }
}

function toSchedule(values: ScheduleValues): Schedule {
  return {
    name: values.name,
    cron: values.cron,
    timezone: values.timezone ?? null,
    message: values.message,
    prompt: values.prompt ?? null,
    workspace: values.workspace ?? null,
    onBusy: values.on_busy ?? null,
  };
}
