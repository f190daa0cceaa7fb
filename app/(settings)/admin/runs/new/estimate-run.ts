/** @file How long a run will take and how much disk it will fill, before it starts. An estimate, and it says what it rests on. */

import { median } from "../median";

export type EstimateInput = {
  /** Of all datasets it learns from, as JSONL. */
  dataBytes: number;
  epochs: number;
  /** Weights of the model: of the base, or of a new one. */
  parameters: number;
  /** Null: every weight is trained. */
  loraRank: number | null;
  /** Speeds of earlier runs of the same stage from the same base, in tokens per second. */
  earlierSpeeds: readonly number[];
};

export type RunEstimate = {
  tokens: number;
  seconds: number;
  tokensPerSecond: number;
  /** `earlier`: the median of so many runs; `size`: nothing but the model's size. */
  restsOn: { kind: "earlier"; runs: number } | { kind: "size" };
  checkpointBytes: number;
  /** With as many checkpoints as stay when all are saved that the defaults save. */
  diskBytes: number;
};

/** English text in JSONL, escapes and field names included. */
const bytesPerToken = 4;
/** What two cores with AVX-512 compute in fp32 (see docs on benchmarks): machines differ by a factor of a few. */
const assumedFlops = 150e9;
/** Forward 2, backward 4 operations per weight and token; an adapter spares the gradients of the frozen weights. */
const flopsPerWeight = { full: 6, lora: 4 };
/** A rank-16 adapter beside every layer holds about 3.7 % of a model's weights. */
const loraSharePerRank = 0.0023;
/** Ten evaluations in a run save ten, and each may stay until retention is asked. */
const checkpointsSaved = 10;
const bytesPerWeight = 4;

export function estimateRun(input: EstimateInput): RunEstimate {
  const { dataBytes, epochs, parameters, loraRank, earlierSpeeds } = input;
  const tokens = (dataBytes / bytesPerToken) * epochs;
  const perWeight = loraRank === null ? flopsPerWeight.full : flopsPerWeight.lora;
  const known = median(earlierSpeeds);
  const tokensPerSecond = known ?? assumedFlops / (perWeight * Math.max(1, parameters));
  const trained = loraRank === null ? parameters : parameters * loraSharePerRank * loraRank;
  // What is trained, the model or an adapter, and two moments of it.
  const checkpointBytes = bytesPerWeight * trained * 3;
  return {
    tokens,
    seconds: tokens / tokensPerSecond,
    tokensPerSecond,
    restsOn: known === null ? { kind: "size" } : { kind: "earlier", runs: earlierSpeeds.length },
    checkpointBytes,
    diskBytes: checkpointBytes * checkpointsSaved,
  };
}

type Weights = { stage: string; manifest: { files: Record<string, { sizeBytes: number }> } };
/** An adapter is as large a model as its lineage's base. */
type MaybeAdapter = Weights & { lineageBase?: Weights | null };

/** From the size of its weight files: what was trained here is in single precision, what was imported in half. */
export function countParameters(checkpoint: MaybeAdapter): number {
  const { stage, manifest } = checkpoint.lineageBase ?? checkpoint;
  const bytes = Object.entries(manifest.files)
    .filter(([name]) => /^[^/]*\.safetensors$/.test(name))
    .reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0);
  return bytes / (stage === "base" ? 2 : 4);
}

/** Of a new model by its settings: embeddings, and per layer attention and MLP; norms and biases are left out. */
export function countNewParameters(architecture: Record<string, unknown>, vocabularySize: number): number {
  const size = (name: string) => (typeof architecture[name] === "number" ? architecture[name] : 0);
  const D = size("hiddenSize");
  const F = size("intermediateSize");
  const isLlama = architecture.family === "llama";
  const kvShare = isLlama ? size("keyValueHeadCount") / Math.max(1, size("headCount")) : 1;
  const attention = D * D * (2 + 2 * kvShare);
  const mlp = (isLlama ? 3 : 2) * D * F;
  return vocabularySize * D + size("layerCount") * (attention + mlp);
}
