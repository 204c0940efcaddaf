import type { Context, Hono } from 'hono';
import { LooperError } from '../errors.ts';
import { isPayloadType, parsePayload } from '../hooks/body.ts';
import type { Chat } from '../hooks/chat.ts';
import { parseChatCommand } from '../hooks/chat-command.ts';
import type { Deliveries } from '../hooks/deliveries.ts';
import type { Hook, HookRequest, Payload } from '../hooks/hook.ts';
import { type Delivery, judge, objectionTo } from '../hooks/judge.ts';
import { verifyNothing, verifyRequest } from '../hooks/verify.ts';
import type { Logger } from '../logger.ts';
import type { Unattended } from '../run/unattended.ts';
import type { HttpEnv } from './answers.ts';
import { readBody } from './body.ts';

export interface HookRouteDeps {
  /** The configuration file may have been read again meanwhile. */
  readonly hooks: () => readonly Hook[];
  readonly deliveries: Deliveries;
  readonly triggers: Pick<Unattended, 'start'>;
  readonly chat: Chat;
  readonly log: Logger;
}

/**
 * `POST /hooks/:name`: 202 when it starts something, which then happens in the background; 200 with
 * the reason when it does not; 401, 404, 409 (delivered before), 413, 415.
 */
export function addHookRoutes(app: Hono<HttpEnv>, deps: HookRouteDeps): void {
  const { deliveries, triggers, chat, log } = deps;

  app.post('/hooks/:name', async (c) => {
    const { hook, delivery, ids } = await receive(c, deps);
    const requestId = c.get('requestId');
    const about = { hook: hook.name, requestId };
    const challenge = slackChallenge(hook, delivery.payload);
    if (challenge !== null) return c.json({ challenge });

    const ignore = (reason: string, answer = silenceOf(hook)): Response => {
      log.info({ ...about, reason }, 'hook.ignored');
      return c.json({ ok: true, hook: hook.name, fired: false, reason, ...answer });
    };
    const claim = (): void => {
      if (deliveries.claim(hook.name, ids)) return;
      throw new LooperError(
        'DELIVERY_REPEATED',
        `hook ${hook.name} has accepted this delivery before; a new one needs a new id`,
      );
    };

    if (hook.isChat) {
      const command = parseChatCommand(delivery.payload);
      if (command === null) return ignore('bots are not listened to');
      const objection = objectionTo(hook, delivery);
      if (objection !== null) return ignore(objection, { content: `Ignored: ${objection}.` });
      claim();
      return c.json({ content: await chat.answer(hook, command, requestId) });
    }

    const judgement = judge(hook, delivery);
    if (judgement.kind === 'ignored') return ignore(judgement.reason);
    claim();
    const { message, prompt, missing } = judgement;
    log.info({ ...about, missing }, 'hook.fired');
    // After the answer: the checks of a trigger read files, and its sender waits for nothing.
    setImmediate(() => {
      const { workspace, onBusy } = hook;
      const trigger = `hook:${hook.name}`;
      triggers.start({ trigger, message, prompt, workspace, onBusy, requestId });
    });
    return c.json({ ok: true, hook: hook.name, fired: true, ...silenceOf(hook) }, 202);
  });
}

interface Received {
  readonly hook: Hook;
  readonly delivery: Delivery;
  readonly ids: readonly string[];
}

/** Body first, then the name, then the signature: whether a hook exists shows in the status only. */
async function receive(c: Context<HttpEnv>, { hooks, log }: HookRouteDeps): Promise<Received> {
  const body = await readBody(c);
  const name = c.req.param('name') ?? '';
  const hook = hooks().find((one) => one.name === name);
  if (hook === undefined) {
    verifyNothing(body);
    throw new LooperError('NOT_FOUND', `there is no hook ${JSON.stringify(name)}`);
  }
  const contentType = c.req.header('content-type');
  if (body.length > 0 && !isPayloadType(contentType)) {
    throw new LooperError(
      'CONTENT_TYPE_UNSUPPORTED',
      `a hook takes application/json or application/x-www-form-urlencoded, not ${JSON.stringify(contentType ?? '')}`,
    );
  }
  const request: HookRequest = { headers: c.req.header(), body };
  const verification = await verifyRequest(hook.verify, request);
  if (verification.kind === 'refused') {
    const { why } = verification;
    log.warn({ hook: name, requestId: c.get('requestId'), why }, 'hook.refused');
    throw new LooperError('UNAUTHORISED', `unauthorized: ${why}`);
  }
  const payload = parsePayload(contentType, body);
  if (payload === null) {
    throw new LooperError('REQUEST_INVALID', 'the body is neither a JSON object nor a form');
  }
  return { hook, delivery: { headers: request.headers, payload }, ids: verification.ids };
}

/** Zulip posts whatever `content` an answer has, and wants to be told when there is none. */
function silenceOf({ verify }: Hook): Record<string, unknown> {
  return verify.type === 'zulip' ? { response_not_required: true } : {};
}

/** Slack asks once, when the address is entered for its events. */
function slackChallenge({ verify }: Hook, payload: Payload): string | null {
  const { type, challenge } = payload;
  const isAsked = verify.type === 'slack' && type === 'url_verification';
  return isAsked && typeof challenge === 'string' ? challenge : null;
}
