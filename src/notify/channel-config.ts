import { z } from 'zod';
import { ANNOUNCEMENT_KINDS } from './index.ts';

const NAME_RULE = 'must be 1 to 40 letters, digits, - or _, beginning with a letter or a digit';
const INLINE_SECRET =
  'secrets do not stand in this file: name a file (…_file) or a variable (…_env) that holds it';

const shared = {
  /** A file in the outbox is named after it; `log` is what stands in where there is no channel. */
  name: z
    .string()
    .regex(/^[A-Za-z0-9][\w-]{0,39}$/, NAME_RULE)
    .refine((name) => name !== 'log', 'is taken by the server log: choose another one'),
  events: z
    .array(z.enum(ANNOUNCEMENT_KINDS))
    .min(1)
    .default([...ANNOUNCEMENT_KINDS]),
};

const path = z.string().min(1);
const variable = z.string().regex(/^[A-Za-z_]\w*$/, 'must be the name of a variable');
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' });
const noNul = z.string().regex(/^[^\0]*$/, 'must not hold a NUL');

function entry<const T extends string, S extends z.ZodRawShape>(type: T, shape: S) {
  return z.strictObject({ type: z.literal(type), ...shared, ...shape } as const, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const keys = issue.keys.map((key) => `"${key}"`).join(', ');
      const isSecret = issue.keys.some((key) => ['url', 'secret', 'token', 'key'].includes(key));
      return `unknown ${keys} in a channel of type ${type}${isSecret ? `; ${INLINE_SECRET}` : ''}`;
    },
  });
}

/** Exactly one of the ways to name a value; `optional`: or none. */
function oneOf(names: readonly string[], optional = false) {
  return {
    check: (given: Readonly<Record<string, unknown>>): boolean => {
      const count = names.filter((name) => given[name] !== undefined).length;
      return count === 1 || (optional && count === 0);
    },
    message: `needs ${optional ? 'at most' : 'exactly'} one of ${names.join(', ')}`,
  };
}

const URL = oneOf(['url_file', 'url_env']);
const ANY_URL = oneOf(['url', 'url_file', 'url_env']);
const SECRET = oneOf(['secret_file', 'secret_env']);
const TOPIC = oneOf(['topic', 'topic_file', 'topic_env']);
const TOKEN = oneOf(['token_file', 'token_env'], true);
const RECIPIENT = oneOf(['stream', 'to'], true);

const urlSource = { url_file: path.optional(), url_env: variable.optional() };

/**
 * One entry of `channels:` in the configuration file. Secrets are named, never written there; the
 * address of an incoming webhook is one. A `zulip` entry uses the credentials and, where it says
 * nothing else, the addressee of the `ZULIP_*` variables, and replaces the channel that they make.
 */
export const channelSchema = z.discriminatedUnion('type', [
  entry('slack', urlSource).refine(URL.check, URL.message),
  entry('ntfy', {
    url: httpUrl.default('https://ntfy.sh'),
    topic: z
      .string()
      .regex(/^[-\w]{1,64}$/, 'must be 1 to 64 letters, digits, - or _')
      .optional(),
    topic_file: path.optional(),
    topic_env: variable.optional(),
    token_file: path.optional(),
    token_env: variable.optional(),
  })
    .refine(TOPIC.check, TOPIC.message)
    .refine(TOKEN.check, TOKEN.message),
  entry('webhook', {
    url: httpUrl.optional(),
    ...urlSource,
    secret_file: path.optional(),
    secret_env: variable.optional(),
  })
    .refine(ANY_URL.check, ANY_URL.message)
    .refine(SECRET.check, SECRET.message),
  entry('command', {
    /** Program and arguments; no shell reads them. */
    command: z.tuple([noNul.min(1)], noNul),
  }),
  entry('zulip', {
    stream: z.string().min(1).optional(),
    topic: z.string().min(1).optional(),
    to: z.string().min(1).optional(),
  }).refine(RECIPIENT.check, RECIPIENT.message),
]);

export type ChannelConfig = z.output<typeof channelSchema>;

/** The variables that hold a secret; the agent's environment goes without them. */
export function secretVariables(entries: readonly ChannelConfig[]): string[] {
  return entries.flatMap((entry) =>
    Object.entries(entry).flatMap(([key, value]) =>
      key.endsWith('_env') && typeof value === 'string' ? [value] : [],
    ),
  );
}
