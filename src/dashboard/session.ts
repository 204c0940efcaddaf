import { createHmac, timingSafeEqual } from 'node:crypto';

const LIFETIME_SECONDS = 30 * 86_400;

/** Who has logged in to the dashboard. Nothing is kept: the cookie proves itself. */
export interface Sessions {
  /** Whether a `Cookie` header holds a session that has not expired. */
  isValid(cookies: string | undefined): boolean;
  /** A `Set-Cookie` value that begins a session; `isSecure`: the browser came by https. */
  begin(isSecure: boolean): string;
  /** A `Set-Cookie` value that ends it in this browser. */
  end(): string;
}

/**
 * Sessions whose cookie is `<expiry>.<HMAC of the expiry>`, keyed by the token: it survives a
 * restart, and another token ends it. `now`: milliseconds since the epoch.
 */
export function createSessions(token: string, now: () => number = Date.now): Sessions {
  const sign = (text: string): Buffer => createHmac('sha256', token).update(text).digest();
  // Cookies know no ports: two services on one machine would log each other's people out.
  const name = `looper_${sign('name of the cookie').toString('hex').slice(0, 12)}`;
  const rules = 'Path=/; HttpOnly; SameSite=Strict';

  const isGenuine = (value: string): boolean => {
    const [, expiry, mac] = /^(\d{1,12})\.([\w-]{43})$/.exec(value) ?? [];
    if (expiry === undefined || mac === undefined) return false;
    const isSigned = timingSafeEqual(Buffer.from(mac, 'base64url'), sign(`session ${expiry}`));
    return isSigned && Number(expiry) * 1000 > now();
  };

  return {
    isValid: (cookies = '') =>
      cookies
        .split(';')
        .map((pair) => pair.trim())
        .filter((pair) => pair.startsWith(`${name}=`))
        .some((pair) => isGenuine(pair.slice(name.length + 1))),
    begin: (isSecure) => {
      const expiry = String(Math.floor(now() / 1000) + LIFETIME_SECONDS);
      const value = `${expiry}.${sign(`session ${expiry}`).toString('base64url')}`;
      const secure = isSecure ? '; Secure' : '';
      return `${name}=${value}; Max-Age=${LIFETIME_SECONDS}; ${rules}${secure}`;
    },
    end: () => `${name}=; Max-Age=0; ${rules}`,
  };
}
