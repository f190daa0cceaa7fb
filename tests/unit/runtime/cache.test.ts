/** @file Whatever sequences do, the cache holds for each slot exactly the rows that were appended to it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Cache } from "@/model/runtime/cache";

const shape = { layerCount: 2, keyValueHeadCount: 2, headSize: 3 };
const slots = 4;
const contextLength = 600;

/** Every row of the cache holds a number of its own. */
class Writer {
  #next = 1;
  /** What a run over `batch` sequences of `time` tokens returns: (layers, B, Hkv, T, D). */
  run(batch: number, time: number) {
    const size = shape.layerCount * batch * shape.keyValueHeadCount * time * shape.headSize;
    const numbers = () => Float32Array.from({ length: size }, () => this.#next++);
    return { keys: numbers(), values: numbers(), batch, time };
  }
}

type Row = number[];
type Run = ReturnType<Writer["run"]>;

/** One token's numbers, layer by layer and head by head. */
function tokenOf({ keys, values, batch, time }: Run, index: number, t: number): Row {
  const { layerCount, keyValueHeadCount: heads, headSize } = shape;
  const row: Row = [];
  for (let layer = 0; layer < layerCount; layer++) {
    for (let head = 0; head < heads; head++) {
      const at = (((layer * batch + index) * heads + head) * time + t) * headSize;
      row.push(...keys.subarray(at, at + headSize), ...values.subarray(at, at + headSize));
    }
  }
  return row;
}

function stored(cache: Cache, slot: number): Row[] {
  const [found] = cache.arrange([slot], 0);
  if (!found) throw new Error("no place");
  const { layerCount, keyValueHeadCount: heads, headSize } = shape;
  const { block } = found.at;
  return Array.from({ length: cache.length(slot) }, (_, t) => {
    const row: Row = [];
    for (let layer = 0; layer < layerCount; layer++) {
      for (let head = 0; head < heads; head++) {
        const at = (head * block.capacity + t) * headSize;
        for (const array of ["keys", "values"] as const) {
          row.push(...block.view(array, layer, found.at).subarray(at, at + headSize));
        }
      }
    }
    return row;
  });
}

const slot = fc.integer({ min: 0, max: slots - 1 });
const command = fc.oneof(
  fc.record({ kind: fc.constant("read" as const), slot, count: fc.integer({ min: 1, max: 150 }) }),
  fc.record({ kind: fc.constant("decode" as const), slots: fc.uniqueArray(slot, { minLength: 1 }) }),
  fc.record({
    kind: fc.constant("truncate" as const),
    slot,
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({
    kind: fc.constant("copy" as const),
    slot,
    from: slot,
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
);

describe("the cache", () => {
  it("holds what was appended, through growth, moves, truncation and leaving", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const cache = new Cache(shape, { slots, contextLength });
        const expected: Row[][] = Array.from({ length: slots }, () => []);
        const writer = new Writer();
        const append = (members: readonly number[], count: number, time: number) => {
          for (const group of cache.arrange(members, count)) {
            const run = writer.run(group.slots.length, time);
            for (const [index, member] of group.slots.entries()) {
              cache.append(member, { ...run, index, count });
              for (let t = 0; t < count; t++) expected[member]?.push(tokenOf(run, index, t));
            }
          }
        };
        for (const step of commands) {
          const room = (member: number) => contextLength - (expected[member]?.length ?? 0);
          if (step.kind === "read" && room(step.slot) >= step.count) {
            append([step.slot], step.count, step.count + 5);
          } else if (step.kind === "decode") {
            append(
              step.slots.filter((member) => room(member) > 0),
              1,
              1,
            );
          } else if (step.kind === "truncate") {
            const length = Math.floor((expected[step.slot]?.length ?? 0) * step.share);
            cache.truncate(step.slot, length);
            expected[step.slot]?.splice(length);
          } else if (step.kind === "copy" && step.from !== step.slot) {
            const length = Math.floor((expected[step.from]?.length ?? 0) * step.share);
            cache.copy(step.from, step.slot, length);
            expected[step.slot] = expected[step.from]?.slice(0, length) ?? [];
          }
        }
        for (const [member, rows] of expected.entries()) {
          expect(cache.length(member)).toBe(rows.length);
          if (rows.length > 0) expect(stored(cache, member)).toEqual(rows);
        }
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  it("puts sequences of one block size side by side, in one batch", () => {
    const cache = new Cache(shape, { slots, contextLength });
    const writer = new Writer();
    for (const [member, count] of [10, 200, 20, 30].entries()) {
      cache.arrange([member], count);
      cache.append(member, { ...writer.run(1, count), index: 0, count });
    }
    const groups = cache.arrange([3, 1, 0], 1);
    expect(
      groups.map(({ slots: members, at }) => [[...members].sort(), at.block.capacity, at.first, at.rows]),
    ).toEqual([
      [[0, 3], 128, 0, 2],
      [[1], 256, 0, 1],
    ]);
  });

  it("gives memory back when sequences leave", () => {
    const cache = new Cache(shape, { slots, contextLength });
    const writer = new Writer();
    cache.arrange([0], 500);
    cache.append(0, { ...writer.run(1, 500), index: 0, count: 500 });
    expect(cache.sizeBytes).toBeGreaterThan(0);
    cache.truncate(0, 0);
    expect(cache.sizeBytes).toBe(0);
  });

  it("refuses more tokens than the context has, and truncation to more than there are", () => {
    const cache = new Cache(shape, { slots, contextLength });
    expect(() => cache.arrange([0], contextLength + 1)).toThrow("Slot 0 cannot hold 601 tokens");
    expect(() => cache.truncate(0, 1)).toThrow("Slot 0 holds 0 tokens, not 1");
  });
});
