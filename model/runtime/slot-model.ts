/** @file A model with a cache for several sequences: what the scheduler needs to know of it. */

/** Slots hold one sequence of tokens each. Calls are made one after the other, never at once. */
export interface SlotModel extends AsyncDisposable {
  readonly slots: number;
  readonly contextLength: number;
  readonly vocabularySize: number;
  /** The most tokens one `prefill` takes: the longest that other sequences are made to wait. */
  readonly chunkTokens: number;
  /** Memory that all slots' sequences take now. */
  readonly cacheBytes: number;
  /** Keeps the first `length` tokens of a slot's sequence. */
  truncate(slot: number, length: number): void;
  /** Makes the first `length` tokens of one slot's sequence another one's too, in place of what that held. */
  copy(from: number, to: number, length: number): void;
  /** Appends up to `chunkTokens` tokens to one sequence. @returns (V) logits after the last of them */
  prefill(slot: number, tokens: readonly number[]): Promise<Float32Array>;
  /** Appends one token to each of several sequences. @returns (V) logits after each, in order */
  decode(rows: readonly { slot: number; tokenId: number }[]): Promise<Float32Array[]>;
}
