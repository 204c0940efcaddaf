/** Models, reasoning efforts and thread ids come from requests, tickets and logs. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/;

/** Whether `value` can be a model, a reasoning effort or a thread id on codex's command line. */
export function isPlainName(value: string): boolean {
  return PLAIN_NAME.test(value);
}
