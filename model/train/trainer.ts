/** @file A language model being trained: its weights, its optimizer, and the sessions that give loss and gradients. */
import type { ModelConfig } from "../checkpoint/model-config";
import type { PackedBatch } from "../data/packing";
import type { LoraShape } from "../nn/trained-weights";
import { AdamW, type AdamWOptions, type StepOutcome, type TrainedParameter } from "../optim/adamw";
import { BatchSessions } from "./batch-sessions";
import { dropoutFeeds } from "./dropout-feeds";
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

export type TrainingStep = {
  /** Its number in the run, which decides what dropout drops. */
  step: number;
  lr: number;
  /** Says by the loss, before anything is changed, whether the step is to be applied. */
  accepts?: (loss: number) => boolean;
};

export type TrainingStepOutcome = StepOutcome & {
  loss: number;
  /** Of the passes forward and backward, and of the optimizer. */
  seconds: { gradient: number; update: number };
};

export class Trainer implements AsyncDisposable {
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

  /** One step on the mean loss over all counted tokens of its batches. */
  async step(
    batches: readonly PackedBatch[],
    { step, lr, accepts = Number.isFinite }: TrainingStep,
  ): Promise<TrainingStepOutcome> {
    const { config, dropout } = this.options;
    const startedAt = performance.now();
    const counted = sum(batches, ({ countedTokens }) => countedTokens);
    let loss = 0;
    for (const [at, batch] of batches.entries()) {
      const { model, session, shape } = await this.#training.for(batch.length);
      const dropped = dropout?.rate
        ? dropoutFeeds(config, shape, { seed: dropout.seed, step, batch: at })
        : {};
      const outputs = await session.run({
        ...toFeeds(batch, shape, counted),
        ...dropped,
        ...this.#weights(),
      });
      loss += Number(outputs.loss?.[0]);
      this.optimizer.accumulate((name) => {
        const gradient = outputs[model.gradientName(name)];
        if (gradient instanceof Float32Array) return gradient;
        throw new Error(`The graph returned no gradient of ${name}`);
      });
    }
    const differentiatedAt = performance.now();
    const outcome = accepts(loss) ? this.optimizer.step(lr) : this.optimizer.discard();
    const seconds = {
      gradient: (differentiatedAt - startedAt) / 1000,
      update: (performance.now() - differentiatedAt) / 1000,
    };
    return { loss, seconds, ...outcome };
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
