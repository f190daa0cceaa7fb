/** @file The heads of a reward model that is an ensemble, in `ensemble.safetensors`: the head in its weights is their mean. */
import path from "node:path";
import type { Checkpoint } from "./checkpoint";
import { CorruptFileError } from "./errors";
import { openSafetensors } from "./safetensors-reader";

export const ensembleFile = "ensemble.safetensors";

/** Each member's score is its head's product with the state that is read, plus its bias: 0 where `scoreBias` has it. */
export type Ensemble = {
  members: number;
  /** (members, hidden) `score.weight` */
  heads: Float32Array;
  /** (members) `score.bias` */
  biases: Float32Array;
};

/** @returns null where the checkpoint has one head @throws CorruptFileError where heads are missing or of another size */
export function readEnsemble({
  folder,
  manifest,
  config,
}: Pick<Checkpoint, "folder" | "manifest" | "config">): Ensemble | null {
  const members = manifest.ensemble;
  if (members === undefined) return null;
  const file = path.join(folder, ensembleFile);
  using stored = openSafetensors([file]);
  const read = (name: string, size: number) => {
    const values = stored.has(name) ? stored.read(name) : null;
    if (values?.length === size) return values;
    throw new CorruptFileError(
      file,
      `${name} has ${values?.length ?? "no"} numbers where ${members} heads have ${size}`,
    );
  };
  return {
    members,
    heads: read("score.weight", members * config.hiddenSize),
    biases: read("score.bias", members),
  };
}
