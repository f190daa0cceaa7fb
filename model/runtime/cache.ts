/** @file The cache of all slots: each sequence lies in the smallest block that holds it, and moves on as it grows. */
import { CacheBlock, type CacheShape, type NewRows } from "./cache-block";

const smallestCapacity = 128;

/** Neighbouring rows of one block. */
export type CacheRows = { block: CacheBlock; first: number; rows: number };

type Place = { blockIndex: number; row: number };

/** Blocks hold 128, 256, 512, … tokens a row; few sizes mean few shapes, and at most half of the memory lies idle. */
export class Cache {
  readonly #blocks: CacheBlock[] = [];
  /** Which slot has each row of each block. */
  readonly #occupants: number[][] = [];
  readonly #places = new Map<number, Place>();
  readonly #lengths: number[];

  constructor(shape: CacheShape, { slots, contextLength }: { slots: number; contextLength: number }) {
    this.#lengths = Array.from({ length: slots }, () => 0);
    for (let capacity = smallestCapacity; ; capacity *= 2) {
      this.#blocks.push(new CacheBlock(shape, Math.min(capacity, contextLength)));
      this.#occupants.push([]);
      if (capacity >= contextLength) break;
    }
  }

  get sizeBytes(): number {
    return this.#blocks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  length(slot: number): number {
    return this.#lengths[slot] ?? 0;
  }

  truncate(slot: number, length: number): void {
    if (length > this.length(slot)) {
      throw new RangeError(`Slot ${slot} holds ${this.length(slot)} tokens, not ${length}`);
    }
    this.#lengths[slot] = length;
    if (length === 0) this.#leave(slot);
  }

  /** The first `length` tokens of one slot, in place of what the other held. */
  copy(from: number, to: number, length: number): void {
    if (length > this.length(from))
      throw new RangeError(`Slot ${from} holds ${this.length(from)} tokens, not ${length}`);
    this.truncate(to, 0);
    if (length === 0) return;
    this.#makeRoom(to, length);
    const [source, target] = [this.#placeOf(from), this.#placeOf(to)];
    const rows = { from: source.row, to: target.row, length };
    this.#blockAt(target.blockIndex).copyFrom(this.#blockAt(source.blockIndex), rows);
    this.#lengths[to] = length;
  }

  /** Finds room for `more` tokens after each slot's own, and brings slots of one block next to each other. */
  arrange(slots: readonly number[], more: number): { slots: number[]; at: CacheRows }[] {
    for (const slot of slots) this.#makeRoom(slot, this.length(slot) + more);
    return this.#blocks.flatMap((_, blockIndex) => {
      const members = slots.filter((slot) => this.#placeOf(slot).blockIndex === blockIndex);
      return members.length > 0 ? [this.#gather(blockIndex, members)] : [];
    });
  }

  /** Appends what a run returned for the sequence at `index` of its batch. */
  append(slot: number, from: NewRows & { index: number; count: number }): void {
    const { blockIndex, row } = this.#placeOf(slot);
    this.#blockAt(blockIndex).write(row, this.length(slot), from);
    this.#lengths[slot] = this.length(slot) + from.count;
  }

  /** One sequence stays where it is; several move to the front of their block, in an order that moves few. */
  #gather(blockIndex: number, members: number[]): { slots: number[]; at: CacheRows } {
    const block = this.#blockAt(blockIndex);
    const occupants = this.#occupantsOf(blockIndex);
    const [only] = members;
    if (members.length === 1 && only !== undefined) {
      return { slots: members, at: { block, first: this.#placeOf(only).row, rows: 1 } };
    }
    const wanted = new Set(members);
    for (let row = 0; row < members.length; row++) {
      if (wanted.has(occupants[row] ?? -1)) continue;
      const from = occupants.findLastIndex((slot) => wanted.has(slot));
      this.#swapRows(blockIndex, row, from);
    }
    return {
      slots: occupants.slice(0, members.length),
      at: { block, first: 0, rows: members.length },
    };
  }

  #swapRows(blockIndex: number, a: number, b: number): void {
    if (a === b) return;
    const occupants = this.#occupantsOf(blockIndex);
    this.#blockAt(blockIndex).swap(a, b);
    const [slotA, slotB] = [occupants[a] as number, occupants[b] as number];
    this.#setPlace(slotA, { blockIndex, row: b });
    this.#setPlace(slotB, { blockIndex, row: a });
  }

  #makeRoom(slot: number, length: number): void {
    const blockIndex = this.#blocks.findIndex(({ capacity }) => capacity >= length);
    if (blockIndex < 0) throw new RangeError(`Slot ${slot} cannot hold ${length} tokens`);
    const place = this.#places.get(slot);
    if (place && place.blockIndex >= blockIndex) return;
    const occupants = this.#occupantsOf(blockIndex);
    const block = this.#blockAt(blockIndex);
    const row = occupants.length;
    if (row >= block.rows) block.resize(Math.max(1, 2 * block.rows));
    if (place) {
      block.copyFrom(this.#blockAt(place.blockIndex), {
        from: place.row,
        to: row,
        length: this.length(slot),
      });
      this.#leave(slot);
    }
    occupants.push(slot);
    this.#setPlace(slot, { blockIndex, row });
  }

  /** The last row moves into the hole, and a block that is three quarters empty shrinks. */
  #leave(slot: number): void {
    const place = this.#places.get(slot);
    if (!place) return;
    const occupants = this.#occupantsOf(place.blockIndex);
    this.#swapRows(place.blockIndex, place.row, occupants.length - 1);
    occupants.pop();
    this.#places.delete(slot);
    const block = this.#blockAt(place.blockIndex);
    if (occupants.length === 0) block.resize(0);
    else if (occupants.length <= block.rows / 4) block.resize(block.rows / 2);
  }

  #setPlace(slot: number, place: Place): void {
    this.#places.set(slot, place);
    this.#occupantsOf(place.blockIndex)[place.row] = slot;
  }

  #placeOf(slot: number): Place {
    const place = this.#places.get(slot);
    if (!place) throw new RangeError(`Slot ${slot} holds nothing`);
    return place;
  }

  #blockAt(index: number): CacheBlock {
    const block = this.#blocks[index];
    if (!block) throw new RangeError(`No cache block ${index}`);
    return block;
  }

  #occupantsOf(index: number): number[] {
    const occupants = this.#occupants[index];
    if (!occupants) throw new RangeError(`No cache block ${index}`);
    return occupants;
  }
}
