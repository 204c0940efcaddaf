/** A number per combination of labels that only grows. */
export interface Counter<Label extends string> {
  readonly labels: readonly Label[];
  add(values: Readonly<Record<Label, string>>, by?: number): void;
  all(): readonly { readonly values: Readonly<Record<Label, string>>; readonly count: number }[];
}

export function createCounter<const Label extends string>(
  labels: readonly Label[],
): Counter<Label> {
  const entries = new Map<string, { values: Readonly<Record<Label, string>>; count: number }>();
  return {
    labels,
    add: (values, by = 1) => {
      const key = JSON.stringify(labels.map((label) => values[label]));
      const entry = entries.get(key) ?? { values, count: 0 };
      entry.count += by;
      entries.set(key, entry);
    },
    all: () => [...entries.values()],
  };
}
