import { validate as isCron } from 'node-cron';
import { z } from 'zod';
import { nearestName } from '../config/unknown-names.ts';
import { templateProblem } from '../hooks/template.ts';
import { VERIFY_TYPES } from '../hooks/verify.ts';
import { channelSchema } from '../notify/channel-config.ts';

const MAX_ENTRIES = 100;
const MAX_TEXT = 100_000;

/** Separates the sentences of one issue about several unknown keys. */
export const NEXT_KEY = '\n';

/** People write it in the belief that it belongs there; it would end up in backups and repositories. */
const INLINE_SECRET = /^(?:secret|token|password|api_?key)$/i;

/** An object in which every key is known; each other one is named together with what was meant. */
function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? (issue as unknown as { keys: string[] }).keys
            .map((key) => unknownKey(key, known))
            .join(NEXT_KEY)
        : `${issue.input === undefined ? 'is missing: write' : 'must be'} a mapping with keys of ${known.join(', ')}`,
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  if (INLINE_SECRET.test(key) && known.includes('secret_file')) {
    return 'is not read from this file: write secret_file: <path>, or secret_env: <VARIABLE>';
  }
  const nearest = nearestName(key, known);
  return nearest === undefined
    ? `is not a key that belongs here: write one of ${known.join(', ')}`
    : `is not a key that belongs here: write ${nearest}`;
}

/** Text that must not be blank; `example` completes "write …". */
function text(example: string) {
  return z
    .string({
      error: ({ input }) =>
        input === undefined
          ? `is missing: write ${example}`
          : `must be text: quote it, as in ${example}`,
    })
    .max(MAX_TEXT, `must be at most ${MAX_TEXT} characters long`)
    .refine((value) => value.trim() !== '', `must not be blank: write ${example}`);
}

function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, {
    error: ({ input }) => {
      const nearest = typeof input === 'string' ? nearestName(input, words) : undefined;
      const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
      return `${input === undefined ? 'is missing: write' : 'must be'} one of ${words.join(', ')}${hint}`;
    },
  });
}

function list<Item extends z.ZodType>(item: Item, example: string) {
  return z
    .array(item, { error: `must be a list: write ${example}` })
    .max(MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`);
}

const entryName = text('name: nightly').refine(
  (value) => /^[\w-]{1,64}$/.test(value),
  'must be a word of letters, digits, - and _, at most 64 long',
);

const template = text('message: "Issue {{issue.number}}"').superRefine((value, context) => {
  const message = templateProblem(value);
  if (message !== null) context.addIssue({ code: 'custom', message });
});

/** `""` has a meaning of its own: announce and clean up only. */
const promptOf = <Text extends z.ZodType>(filled: Text) => z.union([z.literal(''), filled]);

const workspace = text('workspace: /srv/app').refine(
  (value) => value.startsWith('/') || value.startsWith('~/'),
  'must be an absolute path: write workspace: /srv/app',
);

const onBusy = oneOf(['replace', 'reject', 'queue']);

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const CONDITION = 'must be a value, or a list of values of which one has to be there';
const condition = z
  .union([scalar, z.array(scalar).min(1, CONDITION)], { error: CONDITION })
  .transform((value) => (Array.isArray(value) ? value : [value]));
const conditions = (example: string) =>
  z.record(z.string(), condition, { error: `must be a mapping: write ${example}` });

const variableName = text('secret_env: GITHUB_WEBHOOK_SECRET').regex(
  /^[A-Za-z_]\w*$/,
  'must be the name of a variable, which holds the secret',
);

const hook = strict({
  name: entryName,
  verify: strict({
    type: oneOf(VERIFY_TYPES),
    secret_file: text('secret_file: github.secret').optional(),
    secret_env: variableName.optional(),
  }),
  when: strict({
    headers: conditions('headers: { x-github-event: issues }').optional(),
    payload: conditions('payload: { action: labeled }').optional(),
  }).optional(),
  senders: list(text('senders: [octocat]'), 'senders: [octocat]').optional(),
  chat: z.boolean('must be true or false').optional(),
  message: template.optional(),
  prompt: promptOf(template).optional(),
  workspace: workspace.optional(),
  on_busy: onBusy.optional(),
});

const schedule = strict({
  name: entryName,
  cron: text('cron: "0 2 * * *"').refine(
    isCron,
    'must be a cron expression such as "0 2 * * *" (minute, hour, day, month, weekday)',
  ),
  timezone: text('timezone: Europe/Berlin')
    .refine(isTimezone, 'must be the name of a time zone such as Europe/Berlin')
    .optional(),
  message: text('message: nightly'),
  prompt: promptOf(text('prompt: "Update the dependencies"')).optional(),
  workspace: workspace.optional(),
  on_busy: onBusy.optional(),
});

/** `LOOPER_CONFIG_FILE` itself; its entries have schemas of their own, so that all are looked at. */
export const topSchema = strict({
  hooks: entries('hooks: and "- name: …" below it'),
  schedules: entries('schedules: and "- name: …" below it'),
  channels: entries('channels: and "- name: …" below it'),
});

/** What needs other files or two keys is checked afterwards. */
export const entrySchemas = { hooks: hook, schedules: schedule, channels: channelSchema } as const;

export type HookValues = z.output<typeof hook>;
export type ScheduleValues = z.output<typeof schedule>;

function entries(example: string) {
  return list(z.unknown(), example).nullish();
}

function isTimezone(name: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
