/** @file The default model in float32 against transformers on the same weights (tests/fixtures/parity/make_logits_fixture.py). */
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { loadModel } from "@/model/runtime/generator";
import type { TransformerSlots } from "@/model/runtime/transformer-slots";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { floatsFromBase64, parityFixture } from "@/tests/helpers/parity-fixture";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";
import { maxDifference } from "./tiny-model";

type Fixture = {
  vocabulary: number[];
  prompts: { text: string; ids: number[]; logits: string; logsumexp: number; greedy: number[] }[];
};

const { vocabulary, prompts } = parityFixture<Fixture>("logits");
const greedyTokens = 64;

describe("SmolLM2-135M-Instruct, fp32", () => {
  let model: TransformerSlots;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    using checkpoint = await openCheckpoint(defaultModelFolder());
    const cacheFolder = path.join(folder.path, "serving");
    model = await loadModel(checkpoint, null, {
      precision: "fp32",
      threads: 2,
      slots: prompts.length,
      cacheFolder,
    });
  }, 120_000);
  afterAll(async () => {
    await model?.[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  // All prompts at once, as a server would: batches of different lengths, over several cache blocks.
  it("gives transformers' logits on 20 prompts and its 64 greedy tokens after each", {
    timeout: 240_000,
  }, async () => {
    const next: number[] = [];
    for (const [slot, { ids, logits, logsumexp }] of prompts.entries()) {
      const ours = await readPrompt(model, slot, ids);
      const chosen = Float32Array.from(vocabulary, (id) => ours[id] as number);
      // The stated parity of the runtime: 1e-3 over 30 layers in another order of summation.
      expect(maxDifference(chosen, floatsFromBase64(logits))).toBeLessThan(1e-3);
      expect(logSumExp(ours)).toBeCloseTo(logsumexp, 3);
      next.push(argMax(ours));
    }
    const texts = next.map((token) => [token]);
    for (let step = 1; step < greedyTokens; step++) {
      const rows = texts.map((text, slot) => ({ slot, tokenId: text.at(-1) as number }));
      const logits = await model.decode(rows);
      for (const [slot, text] of texts.entries()) text.push(argMax(logits[slot] as Float32Array));
    }
    expect(texts).toEqual(prompts.map(({ greedy }) => greedy));
  });
});

async function readPrompt(
  model: TransformerSlots,
  slot: number,
  ids: readonly number[],
): Promise<Float32Array> {
  let logits = new Float32Array();
  for (let at = 0; at < ids.length; at += model.chunkTokens) {
    logits = Float32Array.from(await model.prefill(slot, ids.slice(at, at + model.chunkTokens)));
  }
  return logits;
}

function argMax(values: Float32Array): number {
  return values.reduce((best, value, id) => (value > (values[best] as number) ? id : best), 0);
}

function logSumExp(values: Float32Array): number {
  const best = values[argMax(values)] as number;
  return best + Math.log(values.reduce((sum, value) => sum + Math.exp(value - best), 0));
}
