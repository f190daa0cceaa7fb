/** @file Ends a text before the first stop string, and holds back what may be the beginning of one. */

export class StopStrings {
  readonly #stop: readonly string[];
  #held = "";

  constructor(stop: readonly string[]) {
    this.#stop = stop.filter((text) => text !== "");
  }

  /** @returns the text that can be shown now, and whether a stop string was met: what follows it is dropped. */
  push(text: string): { text: string; isStopped: boolean } {
    const pending = this.#held + text;
    const met = this.#stop.map((stop) => pending.indexOf(stop)).filter((at) => at >= 0);
    if (met.length > 0) {
      this.#held = "";
      return { text: pending.slice(0, Math.min(...met)), isStopped: true };
    }
    const keep = Math.max(0, ...this.#stop.map((stop) => overlap(pending, stop)));
    this.#held = pending.slice(pending.length - keep);
    return { text: pending.slice(0, pending.length - keep), isStopped: false };
  }

  /** At the end of the text: what was held back is no stop string after all. */
  flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }
}

/** Length of the longest end of `text` with which `stop` begins. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
