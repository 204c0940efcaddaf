const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = {
  d: 86_400,
  h: 3_600,
  m: 60,
  s: 1,
};

const AT =
  /try again at\s+(?:([a-z]{3})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4}),?\s+)?(\d{1,2}):(\d{2})\s*([ap])m/i;
const IN =
  /try again in\s+((?:\d+(?:\.\d+)?\s*(?:days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|[dhms])\b[\s,]*(?:and\s+)?)+)/i;
const AMOUNT = /(\d+(?:\.\d+)?)\s*([dhms])/gi;
const RESETS_AT = /"resets_at"\s*:\s*(\d{9,13})\b/;
const RESETS_IN = /"resets_in_seconds"\s*:\s*(\d{1,9})\b/;

/**
 * When a usage limit ends according to the provider's message, as ISO 8601 UTC, or null when it
 * does not say. Codex 0.169 prints "try again at 3:33 AM." for a time of today and
 * "try again at May 18th, 2033 3:33 AM." otherwise, both in the local zone of its process and to
 * the minute, rounded down; the time zone of this process is taken to be the same.
 */
export function parseResetTime(message: string, now: Date): string | null {
  const at = AT.exec(message);
  if (at !== null) return iso(localTime(at, now));
  const within = IN.exec(message);
  if (within !== null) return iso(now.getTime() + seconds(within[1]!) * 1000);
  const epoch = RESETS_AT.exec(message)?.[1];
  if (epoch !== undefined) return iso(Number(epoch) * (epoch.length > 11 ? 1 : 1000));
  const remaining = RESETS_IN.exec(message)?.[1];
  if (remaining !== undefined) return iso(now.getTime() + Number(remaining) * 1000);
  return null;
}

/** Milliseconds since 1970, or NaN for a date that does not exist. */
function localTime(match: RegExpExecArray, now: Date): number {
  const [, monthName, dayText, yearText, hourText, minuteText, half] = match;
  const hour = Number(hourText);
  const minute = Number(minuteText);
  if (hour < 1 || hour > 12 || minute > 59) return Number.NaN;
  const hours = (hour % 12) + (half!.toLowerCase() === 'p' ? 12 : 0);
  if (monthName === undefined) {
    return new Date(now.getFullYear(), now.getMonth(), now.getDate(), hours, minute).getTime();
  }
  const month = MONTHS.indexOf(monthName.toLowerCase());
  const date = new Date(Number(yearText), month, Number(dayText), hours, minute);
  return date.getMonth() === month ? date.getTime() : Number.NaN;
}

function seconds(text: string): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(AMOUNT)) {
    total += Number(amount) * SECONDS_PER_UNIT[unit!.toLowerCase()]!;
  }
  return total;
}

function iso(milliseconds: number): string | null {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
