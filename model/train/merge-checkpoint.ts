/** @file Makes a complete model of a checkpoint that is an adapter: for tools without adapters, or as the base of a new lineage. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type OpenOptions, openCheckpoint } from "../checkpoint/checkpoint";
import { writeCheckpoint } from "../checkpoint/checkpoint-writer";
import { ensembleFile } from "../checkpoint/ensemble";
import { expectedTensors, rewardTensors } from "../checkpoint/expected-tensors";
import type { Manifest } from "../checkpoint/manifest";
import { CompleteWeights } from "./complete-weights";
import { floatTensor } from "./float-tensor";
import { writeSurroundings } from "./save-checkpoint";

/**
 * Writes `target`, a new folder: `model.safetensors` in single precision with the adapter merged. The manifest says what the
 * adapter's says, with the adapter as parent and no base.
 * @throws what `openCheckpoint` and `writeCheckpoint` throw
 */
export async function mergeCheckpoint(
  folder: string,
  target: string,
  { basePlaces, signal }: OpenOptions & { signal?: AbortSignal } = {},
): Promise<Manifest> {
  using checkpoint = await openCheckpoint(folder, { basePlaces });
  await using weights = await CompleteWeights.open(checkpoint);
  const { files: _, formatVersion: __, lineageBase: ___, ...facts } = checkpoint.manifest;
  // Awaited here: the files that are read stay open until it is written.
  return await writeCheckpoint(
    target,
    { ...facts, parent: checkpoint.id },
    async (files) => {
      await writeSurroundings(files, folder, { dtype: "float32" });
      const isReward = facts.stage === "reward";
      const expected = isReward ? rewardTensors(checkpoint.config) : expectedTensors(checkpoint.config);
      const tensors = [...expected].map(([name, shape]) => ({
        name,
        dtype: "F32" as const,
        shape,
        // Merged when its turn to be written comes: never are two held at once.
        async *chunks() {
          yield* floatTensor(name, shape, await weights.read(name)).chunks();
        },
      }));
      await files.tensors("model.safetensors", tensors);
      if (facts.ensemble !== undefined)
        await files.bytes(ensembleFile, [await readFile(path.join(folder, ensembleFile))]);
    },
    signal,
  );
}
