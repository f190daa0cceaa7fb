/** @file A language model being trained: its weights, its optimizer, and the sessions that give loss and gradients. */
import type { ModelConfig } from "../checkpoint/model-config";
import type { PackedBatch } from "../data/packing";
import type { LoraShape } from "../nn/trained-weights";
import { AdamW, type AdamWOptions, type StepOutcome, type TrainedParameter } from "../optim/adamw";
import { GraphSession } from "../runtime/graph-session";
import { buildLanguageModelGraph, type LanguageModelGraph } from "./language-model-graph";
import { type BatchShape, toFeeds } from "./token-batch";

export type TrainerOptions = {
  config: ModelConfig;
  /** What is trained; changed in place by each step. */
  trained: ReadonlyMap<string, TrainedParameter>;
  /** The base under an adapter; empty when everything is trained. */
  frozen: ReadonlyMap<string, Float32Array>;
  lora: LoraShape | null;
  /** Of every batch. */
  shape: BatchShape;
  adamW: AdamWOptions;
};

type Compiled = { model: LanguageModelGraph; session: GraphSession };

export class Trainer implements AsyncDisposable {
  readonly options: TrainerOptions;
  readonly optimizer: AdamW;
  readonly #training: Compiled;
  #evaluation: Compiled | null = null;

  private constructor(options: TrainerOptions, optimizer: AdamW, training: Compiled) {
    this.options = options;
    this.optimizer = optimizer;
    this.#training = training;
  }

  static async create(options: TrainerOptions): Promise<Trainer> {
    return new Trainer(
      options,
      await AdamW.create(options.trained, options.adamW),
      await compile(options, true),
    );
  }

  /** One step on the mean loss over all counted tokens of its batches. */
  async step(batches: readonly PackedBatch[], lr: number): Promise<StepOutcome & { loss: number }> {
    const counted = sum(batches, ({ countedTokens }) => countedTokens);
    let loss = 0;
    for (const batch of batches) {
      const { model, session } = this.#training;
      const outputs = await session.run({
        ...toFeeds(batch, this.options.shape, counted),
        ...this.#weights(),
      });
      loss += Number(outputs.loss?.[0]);
      await this.optimizer.accumulate((name) => {
        const gradient = outputs[model.gradientName(name)];
        if (gradient instanceof Float32Array) return gradient;
        throw new Error(`The graph returned no gradient of ${name}`);
      });
    }
    return { loss, ...(await this.optimizer.step(lr)) };
  }

  /** Mean loss over the counted tokens, in nats; nothing changes. */
  async evaluate(batches: readonly PackedBatch[], signal?: AbortSignal): Promise<number> {
    this.#evaluation ??= await compile(this.options, false);
    const counted = sum(batches, ({ countedTokens }) => countedTokens);
    let loss = 0;
    for (const batch of batches) {
      signal?.throwIfAborted();
      const feeds = toFeeds(batch, this.options.shape, counted);
      loss += Number((await this.#evaluation.session.run({ ...feeds, ...this.#weights() })).loss?.[0]);
    }
    return loss;
  }

  #weights(): Record<string, Float32Array> {
    const trained = [...this.options.trained].map(([name, { values }]) => [name, values] as const);
    return Object.fromEntries([...this.options.frozen, ...trained]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#training.session[Symbol.asyncDispose]();
    await this.#evaluation?.session[Symbol.asyncDispose]();
    await this.optimizer[Symbol.asyncDispose]();
  }
}

async function compile({ config, shape, lora, adamW }: TrainerOptions, backward: boolean): Promise<Compiled> {
  const model = buildLanguageModelGraph(config, shape, { lora, backward });
  return { model, session: await GraphSession.create(model.graph, { threads: adamW.threads }) };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
