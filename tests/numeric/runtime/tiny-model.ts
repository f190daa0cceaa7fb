/** @file The small random models of tests/fixtures/parity as checkpoints in a temporary folder, with their expected logits. */
import path from "node:path";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { importModel } from "@/model/checkpoint/import-model";
import type { Adapter } from "@/model/runtime/adapter";
import { loadModel } from "@/model/runtime/generator";
import type { Precision } from "@/model/runtime/serving-weights";
import { floatsFromBase64, parityFixture, parityFolder } from "@/tests/helpers/parity-fixture";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";

export const families = ["llama", "qwen2", "gpt2"] as const;
export type Family = (typeof families)[number];

/** Disposing deletes the folder. */
export async function tinyModel(family: Family) {
  const temporary = await temporaryFolder();
  const folder = path.join(temporary.path, family);
  await importModel(path.join(parityFolder, `tiny-${family}.gguf`), folder, { name: family });
  const checkpoint = await openCheckpoint(folder);
  const { ids, logits } = parityFixture<{ ids: number[]; logits: string }>(`tiny-${family}`);
  const size = checkpoint.config.vocabularySize;
  const all = floatsFromBase64(logits);
  return {
    folder: temporary.path,
    checkpoint,
    ids,
    /** (V) after each of `ids`, by transformers in float32. */
    expected: ids.map((_, i) => all.subarray(i * size, (i + 1) * size)),
    load: (precision: Precision = "fp32", adapter: Adapter | null = null) =>
      loadModel(checkpoint, adapter, {
        precision,
        threads: 1,
        slots: 4,
        cacheFolder: path.join(temporary.path, "serving"),
      }),
    async [Symbol.asyncDispose]() {
      checkpoint[Symbol.dispose]();
      await temporary[Symbol.asyncDispose]();
    },
  };
}

export function maxDifference(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (!a || !b || a.length !== b.length) throw new Error(`${a?.length} values against ${b?.length}`);
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] as number))), 0);
}
