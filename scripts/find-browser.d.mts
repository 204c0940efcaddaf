/** The path of a Chromium or Chrome; null: none is installed. */
export function findBrowser(env?: Readonly<Record<string, string | undefined>>): string | null;
