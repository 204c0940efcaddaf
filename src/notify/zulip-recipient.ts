import { z } from 'zod';
import { LooperError } from '../errors.ts';
import { cutToLimit } from './text.ts';

/** Of `GET /api/v1/users`, what finding a person needs. */
const usersSchema = z.object({
  members: z.array(
    z.object({
      user_id: z.number().int(),
      full_name: z.string(),
      is_active: z.boolean().default(true),
    }),
  ),
});

export type ZulipMember = z.infer<typeof usersSchema>['members'][number];

/** An e-mail address or a user id needs no look-up; null for a name. */
export function parseRecipient(to: string): string | number | null {
  const name = to.trim();
  if (/^\d+$/u.test(name)) return Number(name);
  return /^[^\s@]+@[^\s@]+$/u.test(name) ? name : null;
}

export function parseMembers(answer: unknown): ZulipMember[] {
  const parsed = usersSchema.safeParse(answer);
  if (parsed.success) return parsed.data.members;
  throw new LooperError(
    'NOTIFY_FAILED',
    `Zulip's list of users is not as documented (${cutToLimit(z.prettifyError(parsed.error), 300, '…')}). Set ZULIP_TO to an e-mail address or a user id, which need no list.`,
  );
}

/**
 * The id of the one active person of that name: exact full name first, then part of a name, case
 * apart. A second match is an error that names them all, since a message to the wrong person cannot
 * be taken back.
 */
export function findMember(members: readonly ZulipMember[], to: string): number {
  const wanted = to.trim().replace(/^@/u, '').toLowerCase();
  const active = members.filter((member) => member.is_active);
  const exact = active.filter((member) => member.full_name.toLowerCase() === wanted);
  const matches =
    exact.length > 0
      ? exact
      : active.filter((member) => member.full_name.toLowerCase().includes(wanted));
  const [first, second] = matches;
  if (first !== undefined && second === undefined) return first.user_id;
  const advice = 'Set ZULIP_TO to an e-mail address or a user id.';
  if (first === undefined) {
    throw new LooperError(
      'NOTIFY_FAILED',
      `ZULIP_TO: nobody in Zulip is called "${to}". ${advice}`,
    );
  }
  const shown = matches.slice(0, 5).map((member) => `${member.full_name} (${member.user_id})`);
  const rest = matches.length > shown.length ? ` and ${matches.length - shown.length} more` : '';
  throw new LooperError(
    'NOTIFY_FAILED',
    `ZULIP_TO: "${to}" fits ${shown.join(', ')}${rest}. ${advice}`,
  );
}
