/** @file Each family, served with a cache, gives the logits transformers gives, however the tokens are handed in. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TransformerSlots } from "@/model/runtime/transformer-slots";
import { families, maxDifference, tinyModel } from "./tiny-model";

/** float32 sums in another order, through two layers, on logits of about 3. */
const tolerance = 1e-5;

describe.each(families)("%s", (family) => {
  let tiny: Awaited<ReturnType<typeof tinyModel>>;
  let model: TransformerSlots;

  beforeAll(async () => {
    tiny = await tinyModel(family);
    model = await tiny.load();
  });
  afterAll(async () => {
    await model[Symbol.asyncDispose]();
    await tiny[Symbol.asyncDispose]();
  });

  const decodeAll = async (slots: readonly number[], tokens: readonly number[]) => {
    const logits: Float32Array[][] = [];
    for (const tokenId of tokens) logits.push(await model.decode(slots.map((slot) => ({ slot, tokenId }))));
    return logits;
  };

  it("gives transformers' logits at every position", async () => {
    model.truncate(0, 0);
    const logits = await model.score(0, tiny.ids);
    for (const [i, row] of logits.entries()) {
      expect(maxDifference(row, tiny.expected[i])).toBeLessThan(tolerance);
    }
  });

  it("decodes one token at a time to the same logits", async () => {
    model.truncate(0, 0);
    const logits = await decodeAll([0], tiny.ids);
    for (const [i, [row]] of logits.entries()) {
      expect(maxDifference(row as Float32Array, tiny.expected[i])).toBeLessThan(tolerance);
    }
  });

  it("reads a prompt in chunks of any size to the same logits", async () => {
    for (const size of [1, 3, 7]) {
      model.truncate(0, 0);
      let last: Float32Array | undefined;
      for (let at = 0; at < tiny.ids.length; at += size) {
        last = await model.prefill(0, tiny.ids.slice(at, at + size));
      }
      expect(maxDifference(last as Float32Array, tiny.expected.at(-1))).toBeLessThan(tolerance);
    }
  });

  it("decodes sequences of different lengths together as it does alone", async () => {
    for (let slot = 0; slot < 4; slot++) model.truncate(slot, 0);
    // Slot s has read s + 2 tokens; slots come in any order.
    for (let slot = 0; slot < 4; slot++) await model.prefill(slot, tiny.ids.slice(0, slot + 2));
    const rows = [2, 0, 3, 1].map((slot) => ({ slot, tokenId: tiny.ids[slot + 2] as number }));
    const logits = await model.decode(rows);
    for (const [i, { slot }] of rows.entries()) {
      const difference = maxDifference(logits[i] as Float32Array, tiny.expected[slot + 2]);
      expect(difference).toBeLessThan(tolerance);
    }
  });

  it("goes on from a truncated sequence as if the rest had never been", async () => {
    model.truncate(0, 0);
    await model.prefill(0, [...tiny.ids.slice(0, 4), 1, 2, 3]);
    model.truncate(0, 4);
    const last = await model.prefill(0, tiny.ids.slice(4));
    expect(maxDifference(last, tiny.expected.at(-1))).toBeLessThan(tolerance);
  });

  it("keeps every sequence whole while they grow, move and leave", async () => {
    for (let slot = 0; slot < 4; slot++) model.truncate(slot, 0);
    const context = model.contextLength;
    const text = Array.from(
      { length: Math.min(context, 300) },
      (_, i) => (i * 31 + 7) % model.vocabularySize,
    );
    const read = async (slot: number, from: number, to: number) => {
      let logits: Float32Array | undefined;
      for (let at = from; at < to; at += model.chunkTokens) {
        logits = await model.prefill(slot, text.slice(at, Math.min(to, at + model.chunkTokens)));
      }
      return logits;
    };
    const alone = await read(0, 0, text.length);
    model.truncate(0, 0);
    // Three sequences at different lengths; one leaves, two cross block sizes in turn.
    await read(1, 0, Math.floor(text.length / 3));
    await read(2, 0, 5);
    await read(3, 0, 9);
    await model.decode([
      { slot: 3, tokenId: text[9] as number },
      { slot: 2, tokenId: text[5] as number },
    ]);
    model.truncate(2, 0);
    await read(3, 10, text.length - 1);
    const [grown] = await model.decode([{ slot: 3, tokenId: text.at(-1) as number }]);
    expect(maxDifference(grown as Float32Array, alone)).toBeLessThan(tolerance);
    const other = await read(1, Math.floor(text.length / 3), text.length);
    expect(maxDifference(other, alone)).toBeLessThan(tolerance);
  });
});
