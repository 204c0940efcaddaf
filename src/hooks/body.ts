import { parseJsonObject } from '../http/body.ts';
import type { Payload } from './hook.ts';

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Whether a hook reads bodies of this type; one without a type has to be empty. */
export function isPayloadType(contentType: string | undefined): boolean {
  const type = mediaType(contentType);
  return JSON_TYPE.test(type) || type === FORM_TYPE;
}

/**
 * A delivery's body as an object: JSON, or a form, whose field `payload` counts as the whole when
 * it holds a JSON object (GitHub and Slack send it so). No body is an empty object; null: broken.
 */
export function parsePayload(contentType: string | undefined, body: Uint8Array): Payload | null {
  try {
    if (body.length === 0) return {};
    return mediaType(contentType) === FORM_TYPE ? parseForm(body) : parseJsonObject(body);
  } catch {
    return null;
  }
}

function parseForm(body: Uint8Array): Payload {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  const fields = Object.fromEntries(new URLSearchParams(text));
  const { payload } = fields;
  return payload?.startsWith('{') === true ? parseJsonObject(Buffer.from(payload)) : fields;
}

function mediaType(contentType: string | undefined): string {
  return contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
}
