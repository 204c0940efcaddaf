import type { Config } from '../config.ts';
import { MIN_TOKEN_LENGTH } from '../config/checks.ts';
import { hostName, isLoopbackName } from '../host-name.ts';
import { info, ok, warning, type Finding } from './finding.ts';

const FIRST_PERSON = 1000;
/** `nobody`. */
const NOBODY = 65_534;

/** Who can reach the service, and whether the command line would. `others`: further accounts here. */
export function checkReach(
  { http, client }: Pick<Config, 'http' | 'client'>,
  others: readonly string[],
): Finding[] {
  const address = `${http.host}:${http.port}`;
  return [
    isLoopbackName(http.host)
      ? ok('service.address', `${address}: this machine only`)
      : exposed(address, http),
    ...checkToken(http, others),
    ...checkUrl(client.baseUrl, http),
  ];
}

function exposed(address: string, http: Config['http']): Finding {
  const what = `${address} is reachable from other machines`;
  if (http.token !== undefined) {
    return ok('service.address', `${what}, with a token`);
  }
  const todo = 'Set LOOPER_API_TOKEN, or bind 127.0.0.1 behind a proxy or a tunnel';
  return warning(
    'service.address',
    `${what} without a token: whoever reaches it may start agents`,
    todo,
  );
}

function checkToken({ host, token }: Config['http'], others: readonly string[]): Finding[] {
  const id = 'service.token';
  // The settings warn of it already.
  if (token !== undefined && token.length < MIN_TOKEN_LENGTH) return [];
  if (token !== undefined) return [ok(id, `a token of ${token.length} characters`)];
  if (!isLoopbackName(host)) return [];
  if (others.length === 0) return [ok(id, 'no token, and no other account on this machine')];
  const names = others.slice(0, 3).join(', ') + (others.length > 3 ? ', …' : '');
  const what = `no token: other accounts here (${names}) can start agents as this user`;
  return [info(id, what, 'Set LOOPER_API_TOKEN if you do not trust them with that')];
}

function checkUrl(url: string, { host, port, token }: Config['http']): Finding[] {
  const id = 'service.url';
  const { protocol, host: authority, port: given } = new URL(url);
  const isHere = isLoopbackName(hostName(authority) ?? '');
  if (!isHere) {
    if (protocol === 'http:' && token !== undefined && hostName(authority) !== host) {
      const what = `LOOPER_URL=${url} is not encrypted: the token can be read on the way`;
      return [warning(id, what, 'Use https, or a tunnel')];
    }
    return [info(id, `the command line talks to ${url}`)];
  }
  const reached = given === '' ? (protocol === 'https:' ? 443 : 80) : Number(given);
  if (port === 0 || reached === port) return [];
  const what = `LOOPER_URL names port ${reached}, and LOOPER_PORT is ${port}: agents and the command line look elsewhere than the service listens`;
  return [warning(id, what, 'Make them the same, or unset LOOPER_URL')];
}

/** Accounts besides our own by which a person may log in. `passwd`: of /etc/passwd. */
export function otherAccounts(passwd: string, uid: number | undefined): string[] {
  return passwd.split('\n').flatMap((line) => {
    const [name = '', , id = '', , , , shell = ''] = line.split(':');
    const number = Number(id);
    const isPerson = id !== '' && number >= FIRST_PERSON && number !== NOBODY;
    const mayLogIn = !/\/(?:nologin|false|sync)$/.test(shell);
    return isPerson && number !== uid && mayLogIn ? [name] : [];
  });
}
