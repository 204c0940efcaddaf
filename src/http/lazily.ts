/**
 * What loads at the first call and is kept from then on. A failure is not kept: the files may have
 * been away for a moment, in the middle of an upgrade, and the next caller finds them again.
 */
export function lazily<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | null = null;
  return () => {
    loaded ??= load().catch((error: unknown) => {
      loaded = null;
      throw error;
    });
    return loaded;
  };
}
