/** @file Several async iterators read as one, each item as soon as it comes. */

/** An error in one ends all. Whoever stops reading ends all. */
export async function* mergeStreams<T>(streams: AsyncIterable<T>[]): AsyncGenerator<T, void, void> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const pending = new Map(iterators.map((iterator) => [iterator, read(iterator)]));
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values());
      if (result.done) {
        pending.delete(iterator);
      } else {
        pending.set(iterator, read(iterator));
        yield result.value;
      }
    }
  } finally {
    // Reads under way may fail later: nobody is left to be told.
    for (const left of pending.values()) left.catch(() => {});
    await Promise.allSettled([...pending.keys()].map((iterator) => iterator.return?.()));
  }
}

async function read<T>(iterator: AsyncIterator<T>) {
  return { iterator, result: await iterator.next() };
}
