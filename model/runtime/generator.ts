/** @file Loads a checkpoint as a policy that answers several requests at once. */
import { randomInt } from "node:crypto";
import path from "node:path";
import { type Checkpoint, openCheckpoint } from "../checkpoint/checkpoint";
import { UnsupportedModelError } from "../checkpoint/errors";
import { parameterCount } from "../checkpoint/expected-tensors";
import type { TensorSource } from "../checkpoint/tensor-source";
import { embeddingTable } from "../nn/transformer";
import { renderConversation } from "../tokenizer/render-conversation";
import { type Adapter, openAdapter } from "./adapter";
import { Scheduler } from "./scheduler";
import { Sequence } from "./sequence";
import { buildServingGraph } from "./serving-graph";
import { type Precision, ServingWeights } from "./serving-weights";
import { TransformerSlots } from "./transformer-slots";
import type { GenerationEvent, GenerationRequest, Generator, GeneratorInfo } from "./types";
import { openServingForm, type WeightStore } from "./weight-store";

export type LoadOptions = {
  precision: Precision;
  /** That one step of the model may use. */
  threads: number;
  /** Requests answered at once; further ones wait. */
  slots: number;
  /** Where serving forms are kept: one folder below it for each lineage's base and precision. */
  cacheFolder: string;
  /** Where the base of an adapter may lie; see `openCheckpoint`. */
  basePlaces?: readonly string[];
};

/**
 * The first load of a lineage's base writes its serving form (seconds); later ones, of any adapter over it too, map it into
 * memory.
 * @throws what `openCheckpoint` throws; AdapterError; UnsupportedModelError for a reward model
 */
export async function loadGenerator(folder: string, options: LoadOptions): Promise<Generator> {
  using checkpoint = await openCheckpoint(folder, options);
  const { stage, name } = checkpoint.manifest;
  if (stage === "reward")
    throw new UnsupportedModelError(
      `a reward model (${name}), which scores responses and gives none`,
      "a policy, that is, a checkpoint of another stage",
    );
  const model = await loadModel(checkpoint, null, options);
  return new LocalGenerator(checkpoint, model, options.precision);
}

type LoadedParts = Pick<Checkpoint, "folder" | "config" | "adapter" | "lineageBase"> & {
  tensors: Pick<TensorSource, "read">;
};

/**
 * The checkpoint's model with its cache, ready to run; for what reads logits rather than text.
 * @param foreign an adapter from elsewhere, beside the checkpoint's weights; null: its own, if it is one
 */
export async function loadModel(
  { folder, config, tensors, adapter: own, lineageBase }: LoadedParts,
  foreign: Adapter | null,
  { precision, threads, slots, cacheFolder }: Omit<LoadOptions, "basePlaces">,
): Promise<TransformerSlots> {
  const adapter = foreign ?? (own && (await openAdapter(folder)));
  const vocabulary = embeddingTable(config);
  const build = (store: WeightStore) =>
    buildServingGraph(config, new ServingWeights({ precision, store, tensors, adapter, vocabulary }));
  const form = await openServingForm(path.join(cacheFolder, `${lineageBase.id}-${precision}`), (store) => {
    build(store);
  });
  const graph = build(form.weights);
  adapter?.expectPlaced();
  return TransformerSlots.create(graph, config, { folder: form.folder, threads, slots, adapter });
}

class LocalGenerator implements Generator {
  readonly info: GeneratorInfo;
  readonly #checkpoint: Pick<Checkpoint, "tokenizer" | "chatTemplate">;
  readonly #model: TransformerSlots;
  readonly #scheduler: Scheduler;

  constructor(checkpoint: Checkpoint, model: TransformerSlots, precision: Precision) {
    const { id, manifest, config, tokenizer, chatTemplate } = checkpoint;
    this.#checkpoint = { tokenizer, chatTemplate };
    this.#model = model;
    this.#scheduler = new Scheduler(model);
    this.info = {
      checkpointId: id,
      name: manifest.name,
      family: config.family,
      precision,
      parameters: parameterCount(config),
      contextLength: model.contextLength,
      vocabularySize: config.vocabularySize,
    };
  }

  /** @throws PromptTooLongError, ChatTemplateError */
  async *generate(
    request: GenerationRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, void> {
    const { tokenizer, chatTemplate } = this.#checkpoint;
    const { contextLength } = this.info;
    const prompt = renderConversation(tokenizer, chatTemplate, request.messages, {
      contextLength,
      // At most half of the context: a long answer must not cost the conversation.
      reserveTokens: Math.min(request.sampling.maxTokens, Math.floor(contextLength / 2)),
      continueLast: request.continueLast ?? false,
    });
    const sequence = new Sequence(tokenizer, prompt, request, { contextLength, seed: randomInt(2 ** 32) });
    const cancel = () => {
      sequence.isCancelled = true;
    };
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      this.#scheduler.add(sequence);
      yield* sequence.events;
    } finally {
      // Also when the reader leaves early.
      cancel();
      signal?.removeEventListener("abort", cancel);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scheduler[Symbol.asyncDispose]();
    await this.#model[Symbol.asyncDispose]();
  }
}
