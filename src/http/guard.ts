import type { Context, MiddlewareHandler } from 'hono';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Config } from '../config.ts';
import type { HttpEnv } from './answers.ts';
import { LooperError } from '../errors.ts';
import { hostName, isWildcardAddress } from '../host-name.ts';
import { MAX_BODY_BYTES } from './body.ts';

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'];

/** Where a request has to authenticate itself in another way, and where it may say so in another type. */
const OPEN_PATH = '/health';
const SELF_CHECKED_POST = /^\/(?:login|hooks\/[^/]+)$/;

/**
 * Middleware that lets a request pass when it was meant for Looper: named by its own host (a page
 * that rebinds DNS cannot do that), not sent by a foreign page, authenticated, and of a type that
 * a web page cannot send unasked. Everything is decided before the body is read.
 *
 * `hasSession` recognises the dashboard's cookie, which counts like the token.
 */
export function createGuard(
  http: Pick<Config['http'], 'host' | 'allowedHosts' | 'token'>,
  hasSession: (c: Context<HttpEnv>) => boolean = () => false,
): MiddlewareHandler<HttpEnv> {
  const names = acceptedNames(http);
  const matchesToken = http.token === undefined ? () => true : tokenMatcher(http.token);

  return async (c, next) => {
    checkHost(c, names);
    checkOrigin(c.req.header('origin'), c.req.header('sec-fetch-site'), names);
    const { path, method } = c.req;
    const checksItself = method === 'POST' && SELF_CHECKED_POST.test(path);
    if (!checksItself && path !== OPEN_PATH && !matchesToken(tokensOf(c)) && !hasSession(c)) {
      throw new LooperError(
        'UNAUTHORISED',
        'unauthorized: send the token as "Authorization: Bearer <token>" or "X-Looper-Token"',
      );
    }
    checkBody(c, checksItself);
    await next();
  };
}

/** Names that mean this service: loopback, the configured ones, and the address it is bound to. */
export function acceptedNames(
  http: Pick<Config['http'], 'host' | 'allowedHosts'>,
): ReadonlySet<string> {
  const bound = isWildcardAddress(http.host) ? [] : [http.host];
  return new Set([...LOOPBACK_NAMES, ...http.allowedHosts, ...bound]);
}

function checkHost(c: Context<HttpEnv>, names: ReadonlySet<string>): void {
  const { hosts, target } = addressOf(c);
  // Absolute-form names a second host, and the router would believe that one.
  if (!target.startsWith('/')) {
    throw new LooperError('HOST_UNKNOWN', 'the request line must hold a path, not an address');
  }
  const [given, another] = hosts;
  if (given === undefined || another !== undefined) {
    throw new LooperError('HOST_UNKNOWN', `one Host header is needed, not ${hosts.length}`);
  }
  const name = hostName(given);
  if (name === undefined || !names.has(name)) {
    throw new LooperError(
      'HOST_UNKNOWN',
      `this service does not answer as ${JSON.stringify(given)}: add the name to LOOPER_ALLOWED_HOSTS`,
    );
  }
}

/** Every Host header and the request target, as they came; without a socket the URL names the host. */
function addressOf(c: Context<HttpEnv>): { hosts: string[]; target: string } {
  const incoming = c.env?.incoming;
  if (incoming === undefined) {
    const url = new URL(c.req.url);
    return { hosts: [c.req.header('host') ?? url.host], target: url.pathname };
  }
  // `headers` keeps the first of several; only the raw list shows them all.
  const raw = incoming.rawHeaders;
  const hosts = raw.filter((_, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === 'host');
  return { hosts, target: incoming.url ?? '' };
}

/** Browsers say who sends: a page of another site must not start agents. Other clients say nothing. */
export function checkOrigin(
  origin: string | undefined,
  fetchSite: string | undefined,
  names: ReadonlySet<string>,
): void {
  if (origin !== undefined && !names.has(originName(origin) ?? '')) {
    throw new LooperError(
      'FORBIDDEN',
      `requests from ${JSON.stringify(origin)} are refused: add its host to LOOPER_ALLOWED_HOSTS if it is yours`,
    );
  }
  // Another port of this host counts as the same site: it may be anybody's development server.
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') {
    throw new LooperError('FORBIDDEN', `${fetchSite} requests of web pages are refused`);
  }
}

function originName(origin: string): string | undefined {
  const [, authority] = /^https?:\/\/([^/?#@]+)$/i.exec(origin) ?? [];
  return authority === undefined ? undefined : hostName(authority);
}

/** Compares digests, in constant time: the lengths of tokens may differ, those of digests cannot. */
export function tokenMatcher(token: string): (given: readonly string[]) => boolean {
  const expected = digest(token);
  return (given) => given.some((candidate) => timingSafeEqual(digest(candidate), expected));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function tokensOf(c: Context<HttpEnv>): string[] {
  const bearer = /^bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  return [bearer, c.req.header('x-looper-token')].filter((token) => token !== undefined);
}

function checkBody(c: Context<HttpEnv>, ownContentType: boolean): void {
  if (['GET', 'HEAD', 'OPTIONS'].includes(c.req.method) || !hasBody(c)) return;
  const type = c.req.header('content-type');
  if (!ownContentType && !isJsonType(type)) {
    throw new LooperError(
      'CONTENT_TYPE_UNSUPPORTED',
      `the body must be application/json, not ${JSON.stringify(type ?? '')}: send "Content-Type: application/json"`,
    );
  }
  if (Number(c.req.header('content-length') ?? 0) > MAX_BODY_BYTES) {
    throw new LooperError('BODY_TOO_LARGE', `the body must not exceed ${MAX_BODY_BYTES} bytes`);
  }
}

function hasBody(c: Context<HttpEnv>): boolean {
  const headers = c.env?.incoming?.headers;
  if (headers === undefined) return c.req.raw.body !== null;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** A page can send text and forms across sites without asking, but not this type. */
export function isJsonType(type: string | undefined): boolean {
  return /^application\/json(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*;?$/i.test(type?.trim() ?? '');
}
