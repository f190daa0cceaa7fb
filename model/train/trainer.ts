/** @file A language model being trained: its weights, its optimizer, and the sessions that give loss and gradients. */
import type { ModelConfig } from "../checkpoint/model-config";
import type { PackedBatch } from "../data/packing";
import type { LoraShape } from "../nn/trained-weights";
import { AdamW, type AdamWOptions, type TrainedParameter } from "../optim/adamw";
import { BatchSessions } from "./batch-sessions";
import { dropoutFeeds } from "./dropout-feeds";
import {
  gradientFrom,
  type Learner,
  type TrainingStep,
  type TrainingStepOutcome,
  takeStep,
} from "./take-step";
import { type BatchShape, toFeeds } from "./token-batch";

export type TrainerOptions = {
  config: ModelConfig;
  /** What is trained; changed in place by each step. */
  trained: ReadonlyMap<string, TrainedParameter>;
  /** The base under an adapter; empty when everything is trained. */
  frozen: ReadonlyMap<string, Float32Array>;
  lora: LoraShape | null;
  /** Of the longest batches; others have as many rows, shorter ones, and no more targets. */
  shape: BatchShape;
  adamW: AdamWOptions;
  /** That one run of a graph may use. */
  threads: number;
  /** Keeps only what enters each layer for the backward pass, and computes the layer again there. */
  recompute?: boolean;
  /** Share of elements zeroed while training, and the seed of which. */
  dropout?: { rate: number; seed: number };
};

export class Trainer implements Learner<PackedBatch>, AsyncDisposable {
  readonly options: TrainerOptions;
  readonly optimizer: AdamW;
  readonly #training: BatchSessions;
  readonly #evaluation: BatchSessions;

  constructor(options: TrainerOptions) {
    const { config, lora, shape, threads, recompute = false, dropout } = options;
    const common = { config, lora, shape, threads };
    this.options = options;
    this.optimizer = new AdamW(options.trained, options.adamW);
    this.#training = new BatchSessions({
      ...common,
      build: { backward: true, recompute, dropout: dropout?.rate ?? 0 },
    });
    this.#evaluation = new BatchSessions({ ...common, build: { backward: false } });
  }

  get trained(): ReadonlyMap<string, TrainedParameter> {
    return this.options.trained;
  }

  /** One step on the mean loss over all counted tokens of its batches. */
  step(batches: readonly PackedBatch[], step: TrainingStep): Promise<TrainingStepOutcome> {
    const { config, dropout } = this.options;
    const counted = sum(batches, ({ countedTokens }) => countedTokens);
    return takeStep(this.optimizer, batches, step, async (batch, at) => {
      const { model, session, shape } = await this.#training.for(batch.length);
      const dropped = dropout?.rate
        ? dropoutFeeds(config, shape, { seed: dropout.seed, step: step.step, batch: at })
        : {};
      const outputs = await session.run({
        ...toFeeds(batch, shape, counted),
        ...dropped,
        ...this.#weights(),
      });
      return { loss: Number(outputs.loss?.[0]), gradientOf: gradientFrom(outputs, model.gradientName) };
    });
  }

  /** Mean loss over the counted tokens, in nats; nothing changes. */
  async evaluate(batches: readonly PackedBatch[], signal?: AbortSignal): Promise<number> {
    const counted = sum(batches, ({ countedTokens }) => countedTokens);
    let loss = 0;
    for (const batch of batches) {
      signal?.throwIfAborted();
      const { session, shape } = await this.#evaluation.for(batch.length);
      const outputs = await session.run({ ...toFeeds(batch, shape, counted), ...this.#weights() });
      loss += Number(outputs.loss?.[0]);
    }
    return loss;
  }

  #weights(): Record<string, Float32Array> {
    const trained = [...this.options.trained].map(([name, { values }]) => [name, values] as const);
    return Object.fromEntries([...this.options.frozen, ...trained]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#training[Symbol.asyncDispose]();
    await this.#evaluation[Symbol.asyncDispose]();
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
