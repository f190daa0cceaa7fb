/** @file How fast a run goes, over its last twenty steps. */

export class Speed {
  readonly #recent: { at: number; tokens: number }[] = [{ at: performance.now(), tokens: 0 }];

  /** Call at the end of a step. @returns tokens per second */
  add(tokens: number): number {
    this.#recent.push({ at: performance.now(), tokens });
    if (this.#recent.length > 21) this.#recent.shift();
    return this.#recent.slice(1).reduce((sum, each) => sum + each.tokens, 0) / Math.max(1e-9, this.#seconds);
  }

  get secondsPerStep(): number {
    return this.#seconds / Math.max(1, this.#recent.length - 1);
  }

  get #seconds(): number {
    return ((this.#recent.at(-1)?.at ?? 0) - (this.#recent[0]?.at ?? 0)) / 1000;
  }
}
