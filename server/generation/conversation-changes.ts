/** @file Tells a person's open pages what changed in their conversations, so that a second tab stays true. */
import { EventEmitter, on } from "node:events";

export type ConversationChange = {
  conversationId: string;
  /** `changed`: title, place or settings · `messages`: a question or an answer began or ended · `deleted`. */
  kind: "changed" | "messages" | "deleted";
};

export class ConversationChanges {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  publish(userId: string, change: ConversationChange): void {
    this.#emitter.emit(userId, change);
  }

  /** Ends when `signal` is aborted. Changes before the subscription are not told: read the list after subscribing. */
  async *subscribe(userId: string, signal?: AbortSignal): AsyncGenerator<ConversationChange, void, void> {
    try {
      for await (const [change] of on(this.#emitter, userId, { signal })) yield change as ConversationChange;
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }
}
