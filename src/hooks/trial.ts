import { nearestName } from '../config/unknown-names.ts';
import { LooperError } from '../errors.ts';
import type { Hook, HookRequest, Payload } from './hook.ts';
import { judge, objectionTo } from './judge.ts';
import { sendersOf } from './senders.ts';

/** What a delivery would do, for `looper hooks test`. */
export interface HookTrial {
  readonly hook: string;
  readonly fires: boolean;
  /** Why it would do nothing; null when it fires. */
  readonly reason: string | null;
  /** Who sent it, under each name that the provider gives. */
  readonly senders: readonly string[];
  /** Of the run that would be started; null when it does not fire, or takes commands. */
  readonly run: {
    readonly message: string;
    readonly prompt: string | null;
    readonly workspace: string | null;
    readonly on_busy: string | null;
  } | null;
  /** Paths in the templates that lead to nothing in this payload. */
  readonly missing: readonly string[];
}

/**
 * What the named hook would make of a payload. Nothing is started and no signature is needed;
 * header names may be written in any case. Throws `NOT_FOUND` for a name that the file does not know.
 */
export function testHook(
  config: { readonly hooks: readonly Hook[] },
  name: string,
  payload: Payload,
  headers: HookRequest['headers'],
): HookTrial {
  const hook = config.hooks.find((one) => one.name === name);
  if (hook === undefined) throw unknownHook(name, config.hooks);
  const lowerCase = Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]);
  const delivery = { headers: Object.fromEntries(lowerCase) as HookRequest['headers'], payload };
  const about = { hook: name, senders: sendersOf(hook.verify.type, payload) };
  if (hook.isChat) {
    const reason = objectionTo(hook, delivery);
    return { ...about, fires: reason === null, reason, run: null, missing: [] };
  }
  const judgement = judge(hook, delivery);
  if (judgement.kind === 'ignored') {
    return { ...about, fires: false, reason: judgement.reason, run: null, missing: [] };
  }
  const { message, prompt, missing } = judgement;
  const { workspace, onBusy } = hook;
  const run = { message, prompt, workspace, on_busy: onBusy };
  return { ...about, fires: true, reason: null, run, missing };
}

function unknownHook(name: string, hooks: readonly Hook[]): LooperError {
  const names = hooks.map((hook) => hook.name);
  const nearest = nearestName(name, names);
  const known = names.length === 0 ? 'LOOPER_CONFIG_FILE names none' : `known: ${names.join(', ')}`;
  const hint = nearest === undefined ? known : `did you mean ${nearest}?`;
  return new LooperError('NOT_FOUND', `there is no hook ${JSON.stringify(name)}; ${hint}`);
}
