/** @file Events pushed by one side, read by one reader on the other as an async iterator. */

/** Unbounded: meant for sources that are slower than their reader, such as a sampled policy. */
export class EventStream<T> implements AsyncIterable<T> {
  readonly #events: T[] = [];
  #end: { error: Error | null } | null = null;
  #wake: (() => void) | null = null;

  push(event: T): void {
    if (this.#end) return;
    this.#events.push(event);
    this.#wake?.();
  }

  /** What was pushed before is still delivered; then the reader ends, or throws `error`. */
  end(error: Error | null = null): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      while (this.#events.length > 0) yield this.#events.shift() as T;
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }
}
