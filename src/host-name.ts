import { isIPv4, isIPv6 } from 'node:net';

const AUTHORITY = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_][a-z0-9._-]*))(?::\d{0,5})?$/i;

/**
 * The name in a `Host` header or a setting: lower case, without port, brackets and the trailing dot,
 * so that two spellings of one host compare equal. Undefined for anything else than a host.
 */
export function hostName(authority: string): string | undefined {
  const [, address, name] = AUTHORITY.exec(authority) ?? [];
  if (address !== undefined) return isIPv6(address) ? shortest(address) : undefined;
  return name?.toLowerCase().replace(/\.$/, '');
}

/** Names by which only this machine can be meant; a resolver may turn any other name into anything. */
export function isLoopbackName(name: string): boolean {
  return (
    name === 'localhost' || name === '::1' || (isIPv4(name) && name.split('.', 1)[0] === '127')
  );
}

/** Binding it means every address of the machine; nobody reaches a service by this name. */
export function isWildcardAddress(name: string): boolean {
  return name === '0.0.0.0' || name === '::';
}

/** How a URL writes a host name: IPv6 addresses in brackets. */
export function urlHost(name: string): string {
  // The colon first: the pattern behind `isIPv6` takes 5 ms to compile.
  return name.includes(':') && isIPv6(name) ? `[${name}]` : name;
}

function shortest(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
