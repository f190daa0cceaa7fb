/** @file Who is being answered right now, by checkpoint: background work on one engine makes room for chat on another. */

export class ChatPresence {
  readonly #chats = new Map<string, number>();
  readonly #onChange = new Set<() => void>();

  /** @returns call it when the answer has ended */
  enter(checkpointId: string): () => void {
    this.#chats.set(checkpointId, (this.#chats.get(checkpointId) ?? 0) + 1);
    this.#notify();
    return () => {
      const left = (this.#chats.get(checkpointId) ?? 1) - 1;
      if (left === 0) this.#chats.delete(checkpointId);
      else this.#chats.set(checkpointId, left);
      this.#notify();
    };
  }

  /** Within one engine the scheduler holds background work back by itself; between engines only the processor is shared. */
  isElsewhere(checkpointId: string): boolean {
    return [...this.#chats.keys()].some((id) => id !== checkpointId);
  }

  /** Resolves when no chat runs on another checkpoint, or when `signal` is aborted. */
  async quiet(checkpointId: string, signal: AbortSignal): Promise<void> {
    while (this.isElsewhere(checkpointId) && !signal.aborted) await this.#changed(signal);
  }

  /** Aborts when a chat begins on another checkpoint, until disposed. */
  disturbance(checkpointId: string): Disposable & { signal: AbortSignal } {
    const controller = new AbortController();
    const check = () => {
      if (this.isElsewhere(checkpointId)) controller.abort();
    };
    this.#onChange.add(check);
    check();
    return { signal: controller.signal, [Symbol.dispose]: () => void this.#onChange.delete(check) };
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#onChange.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#onChange.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }

  #notify(): void {
    for (const listener of [...this.#onChange]) listener();
  }
}
