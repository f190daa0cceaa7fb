/** @file attune.json: what a checkpoint is, where it came from, and the sha256 of every file beside it. */
import { z } from "zod";

export const manifestFileName = "attune.json";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** No absolute path, no `..`, no backslash: a manifest never names a file outside its folder. */
const relativePath = z
  .string()
  .max(255)
  .regex(/^(?!.*(^|\/)\.\.?(\/|$))[\w.-]+(\/[\w.-]+)*$/);

export const manifestSchema = z.object({
  /** Raised when a reader of the old form would misread the new one. */
  formatVersion: z.literal(1),
  /** Shown to people: "SmolLM2-135M-Instruct". */
  name: z.string().min(1).max(200),
  /** `base`: imported, not trained here. */
  stage: z.enum(["base", "pretrain", "sft", "reward", "ppo"]),
  /** Id of the checkpoint it was trained from. */
  parent: sha256.nullable(),
  /** Id of its lineage's base, where the checkpoint is an adapter over it; left out where it holds all weights itself. */
  lineageBase: sha256.optional(),
  /** The run that made it. */
  run: z.string().max(200).nullable(),
  datasetSha256: sha256.nullable(),
  /** Git revision of the code that trained it; for an imported model `gguf:<sha256>` or `huggingface:<revision>`. */
  sourceRevision: z.string().max(200).nullable(),
  /** Threads it was trained with: results repeat bit for bit only at the same number. */
  threadCount: z.int().positive().nullable(),
  /** Added to a reward model's head output, so that scores are centred. */
  scoreBias: z.number().optional(),
  /** Heads in `ensemble.safetensors`, of which a reward model's head is the mean; left out where it has but one. */
  ensemble: z.int().min(2).optional(),
  files: z.record(relativePath, z.object({ sha256, sizeBytes: z.int().nonnegative() })),
});

export type Manifest = z.infer<typeof manifestSchema>;
