const REDACTED = '[redacted]';

/** Takes secrets out of what Looper writes, by their value: a name says nothing in free text. */
export interface Redactor {
  /** Adds a value that became known later (from a rc file, say). Blank values are ignored. */
  add(value: string): void;
  /** Plain text with every secret replaced. */
  text(text: string): string;
  /** The same for every string in a value as JSON has them. */
  strings<T>(value: T): T;
  /** The same for one line of JSON: only strings change, so the line stays valid JSON. */
  jsonLine(line: string): string;
}

export function createRedactor(values: Iterable<string> = []): Redactor {
  // Longest first: a secret that contains another one must not leave its rest behind.
  let secrets: string[] = [];
  /** As the secrets stand inside a JSON string. */
  let escaped: string[] = [];

  const add = (value: string): void => {
    if (value.trim() === '' || secrets.includes(value)) return;
    secrets = [...secrets, value].sort((a, b) => b.length - a.length);
    escaped = secrets.map((secret) => JSON.stringify(secret).slice(1, -1));
  };
  const text = (input: string): string => {
    let output = input;
    for (const secret of secrets) output = output.replaceAll(secret, REDACTED);
    return output;
  };
  const jsonLine = (line: string): string => {
    // Nearly every line ends here: parsing is for the few that hold a secret.
    if (!escaped.some((secret) => line.includes(secret))) return line;
    const end = line.endsWith('\n') ? '\n' : '';
    try {
      return JSON.stringify(redactStrings(JSON.parse(line), text)) + end;
    } catch {
      return text(line);
    }
  };

  for (const value of values) add(value);
  const strings = <T>(value: T): T => redactStrings(value, text) as T;
  return { add, text, strings, jsonLine };
}

/** Redacts keys too: a caller chooses the names of unknown fields. */
function redactStrings(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactStrings(item, redact));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [redact(key), redactStrings(item, redact)]),
  );
}
