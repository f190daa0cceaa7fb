/** @file The weights of a reward model as its checkpoint has them: transformer, adapter and head. */
import path from "node:path";
import { adapterWeightsFile, loraShapeOf } from "./adapter-config";
import type { Checkpoint } from "./checkpoint";
import { CorruptFileError } from "./errors";
import { expectedTensors } from "./expected-tensors";
import type { Manifest } from "./manifest";
import { openSafetensors } from "./safetensors-reader";

/** The checkpoint gives text, not scores. */
export class NotARewardModelError extends Error {
  override readonly name = "NotARewardModelError";
  constructor({ folder, manifest }: Pick<Checkpoint, "folder" | "manifest">) {
    super(
      `${folder} is no reward model (${manifest.name} is of the stage ${manifest.stage}). Give a checkpoint that attune reward trained.`,
    );
  }
}

/** The same text is other tokens to the two: a score of these tokens would say nothing. */
export class OtherTokenizerError extends Error {
  override readonly name = "OtherTokenizerError";
  constructor(rewardModel: Pick<Manifest, "name">, policy: Pick<Manifest, "name">) {
    super(
      `The reward model ${rewardModel.name} has another tokenizer than ${policy.name} (their tokenizer.json differ). Train one from a ` +
        `checkpoint of the lineage of ${policy.name}, or choose one that was.`,
    );
  }
}

/** @throws OtherTokenizerError */
export function expectSameTokenizer(rewardModel: Manifest, policy: Manifest): void {
  const [ours, theirs] = [rewardModel, policy].map(({ files }) => files["tokenizer.json"]?.sha256);
  if (ours === undefined || ours !== theirs) throw new OtherTokenizerError(rewardModel, policy);
}

/** @throws NotARewardModelError */
export function expectRewardModel(checkpoint: Pick<Checkpoint, "folder" | "manifest">): void {
  if (checkpoint.manifest.stage !== "reward") throw new NotARewardModelError(checkpoint);
}

/** By name, in single precision; the adapter's names and the head's are as a graph of trained weights asks for them. */
export type RewardWeights = {
  /** Null: it holds all weights itself. */
  lora: ReturnType<typeof loraShapeOf> | null;
  weights: ReadonlyMap<string, Float32Array>;
};

/**
 * @param known the base's weights where they are in memory already: the very arrays are taken
 * @throws NotARewardModelError, CorruptFileError where the head is missing or of another size, AdapterError
 */
export function readRewardWeights(
  checkpoint: Checkpoint,
  known: ReadonlyMap<string, Float32Array> | null = null,
): RewardWeights {
  expectRewardModel(checkpoint);
  const { folder, config, tensors, adapter } = checkpoint;
  const weights = new Map<string, Float32Array>();
  // The vocabulary's head is not read: what is scored is not continued.
  for (const name of expectedTensors(config).keys())
    if (name !== "lm_head.weight") weights.set(name, known?.get(name) ?? tensors.read(name));
  if (adapter === null)
    return { lora: null, weights: weights.set("score.weight", tensors.read("score.weight")) };
  const file = path.join(folder, adapterWeightsFile);
  using stored = openSafetensors([file]);
  for (const name of stored.names()) weights.set(name, stored.read(name));
  const head = weights.get("base_model.model.score.weight");
  if (head?.length !== config.hiddenSize)
    throw new CorruptFileError(
      file,
      `its score head has ${head?.length ?? "no"} weights, not ${config.hiddenSize}`,
    );
  return { lora: loraShapeOf(adapter), weights };
}
