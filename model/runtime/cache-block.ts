/** @file Keys and values of several sequences, each with room for the same number of tokens, in arrays a graph reads in place. */

export type CacheShape = { layerCount: number; keyValueHeadCount: number; headSize: number };

/** What the graph returns of new tokens: keys and values, each (layers, B, Hkv, T, D). */
export type NewRows = { keys: Float32Array; values: Float32Array; batch: number; time: number };

/** Rows lie one after the other in memory, so that any run of neighbouring rows is one tensor (rows, Hkv, C, D). */
export class CacheBlock {
  readonly capacity: number;
  readonly #shape: CacheShape;
  #rows = 0;
  /** Keys of layer i at 2i, values at 2i + 1. */
  #arrays: Float32Array[] = [];

  constructor(shape: CacheShape, capacity: number) {
    this.#shape = shape;
    this.capacity = capacity;
    this.#arrays = Array.from({ length: 2 * shape.layerCount }, () => new Float32Array(0));
  }

  get rows(): number {
    return this.#rows;
  }

  get sizeBytes(): number {
    return this.#arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Makes room for more sequences, or gives memory back; the first rows stay as they are. */
  resize(rows: number): void {
    if (rows === this.#rows) return;
    this.#arrays = this.#arrays.map((array) => {
      const resized = new Float32Array(rows * this.#rowSize);
      resized.set(array.subarray(0, Math.min(array.length, resized.length)));
      return resized;
    });
    this.#rows = rows;
  }

  /** (rows, Hkv, C, D) of one layer, without a copy. */
  view(
    array: "keys" | "values",
    layer: number,
    { first, rows }: { first: number; rows: number },
  ): Float32Array {
    const index = 2 * layer + (array === "keys" ? 0 : 1);
    const at = this.#arrays[index] as Float32Array;
    return at.subarray(first * this.#rowSize, (first + rows) * this.#rowSize);
  }

  /** Writes the first `count` new tokens of one sequence of a run at places `start` and on. */
  write(row: number, start: number, from: NewRows & { index: number; count: number }): void {
    const { layerCount, keyValueHeadCount: heads, headSize } = this.#shape;
    for (let layer = 0; layer < layerCount; layer++) {
      for (let head = 0; head < heads; head++) {
        const source = ((layer * from.batch + from.index) * heads + head) * from.time * headSize;
        const target = row * this.#rowSize + (head * this.capacity + start) * headSize;
        const end = source + from.count * headSize;
        this.#arrays[2 * layer]?.set(from.keys.subarray(source, end), target);
        this.#arrays[2 * layer + 1]?.set(from.values.subarray(source, end), target);
      }
    }
  }

  swap(a: number, b: number): void {
    const size = this.#rowSize;
    for (const array of this.#arrays) {
      const held = array.slice(a * size, (a + 1) * size);
      array.copyWithin(a * size, b * size, (b + 1) * size);
      array.set(held, b * size);
    }
  }

  /** Takes over the first `length` tokens of a sequence in another block. */
  copyFrom(other: CacheBlock, { from, to, length }: { from: number; to: number; length: number }): void {
    const { keyValueHeadCount: heads, headSize } = this.#shape;
    for (const [i, array] of this.#arrays.entries()) {
      const source = other.#arrays[i] as Float32Array;
      for (let head = 0; head < heads; head++) {
        const at = from * other.#rowSize + head * other.capacity * headSize;
        array.set(
          source.subarray(at, at + length * headSize),
          to * this.#rowSize + head * this.capacity * headSize,
        );
      }
    }
  }

  get #rowSize(): number {
    return this.#shape.keyValueHeadCount * this.capacity * this.#shape.headSize;
  }
}
