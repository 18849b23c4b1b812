/** Runs an action on each item, at most `most` at a time. The action must not throw. */
export async function inParallel<T>(
  items: readonly T[],
  most: number,
  action: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await action(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
}
