/** @file Responses by the policy that is being trained, sampled in this process: base in single precision, adapter as it is now. */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Checkpoint } from "../../checkpoint/checkpoint";
import type { TensorSource } from "../../checkpoint/tensor-source";
import type { LoraShape } from "../../nn/trained-weights";
import { type Adapter, liveAdapter } from "../../runtime/adapter";
import { loadModel } from "../../runtime/generator";
import { type DrawPlace, untruncated } from "../../runtime/sampling";
import { Scheduler } from "../../runtime/scheduler";
import { Sequence } from "../../runtime/sequence";
import type { TransformerSlots } from "../../runtime/transformer-slots";
import type { Trained } from "../training-state";

export type SampledResponse = {
  /** With its end token, if it ended. */
  tokens: number[];
  /** (L) of each token, as the sampler saw them. */
  samplerLogprobs: Float32Array;
  /** It ended by itself, rather than by the limit. */
  isEnded: boolean;
};

export type RolloutOptions = {
  checkpoint: Checkpoint;
  lora: LoraShape | null;
  /** Read at each `sample`. */
  trained: Trained;
  threads: number;
  /** Responses written at once. */
  slots: number;
  /** Holds the base as the runtime maps it, while it lasts: four bytes a parameter. */
  scratchFolder: string;
};

export type SampleSettings = {
  seed: number;
  /** Longest response, in tokens. */
  maxTokens: number;
  /** 1 samples the policy itself; 0 is greedy. */
  temperature?: number;
  signal?: AbortSignal | undefined;
};

export class Rollouts implements AsyncDisposable {
  readonly #options: RolloutOptions;
  readonly #folder: string;
  readonly #adapter: Adapter | null;
  #model: TransformerSlots | null = null;

  constructor(options: RolloutOptions) {
    this.#options = options;
    this.#folder = path.join(options.scratchFolder, ".rollouts");
    this.#adapter = options.lora && liveAdapter(options.trained, options.lora);
  }

  /**
   * One response to each prompt by the policy as it is now. The same seed, places and weights give the same responses.
   * @param places beside the prompts: which of the run's texts each is
   */
  async sample(
    prompts: readonly (readonly number[])[],
    places: readonly DrawPlace[],
    { seed, maxTokens, temperature = 1, signal }: SampleSettings,
  ): Promise<SampledResponse[]> {
    const { tokenizer, config } = this.#options.checkpoint;
    const sampling = { ...untruncated, temperature, maxTokens, seed };
    const sequences = prompts.map((tokens, i) => {
      const prompt = { tokens, droppedTurns: 0, cutCharacters: 0 };
      const place = places[i] ?? { step: 0, sample: i };
      return new Sequence(tokenizer, prompt, { messages: [], sampling }, { ...config, seed, place });
    });
    // Its own, for the caches of another one are of another policy.
    await using scheduler = new Scheduler(await this.#currentModel());
    const cancel = () => {
      for (const sequence of sequences) sequence.isCancelled = true;
    };
    signal?.addEventListener("abort", cancel, { once: true });
    // It may have come while the model was loaded.
    if (signal?.aborted) cancel();
    for (const sequence of sequences) scheduler.add(sequence);
    const responses = await Promise.all(sequences.map(responseOf));
    signal?.removeEventListener("abort", cancel);
    signal?.throwIfAborted();
    return responses;
  }

  /** An adapter's factors go into the compiled model; a model trained whole is compiled anew. */
  async #currentModel(): Promise<TransformerSlots> {
    const { checkpoint, trained, threads, slots } = this.#options;
    const isStale = this.#adapter === null && this.#model !== null;
    if (isStale) await this.#release();
    this.#adapter?.refresh();
    if (this.#model) return this.#model;
    await rm(this.#folder, { recursive: true, force: true });
    const tensors = this.#adapter ? checkpoint.tensors : sourceOf(trained);
    const options = { precision: "fp32", threads, slots, cacheFolder: this.#folder } as const;
    this.#model = await loadModel({ ...checkpoint, tensors, adapter: null }, this.#adapter, options);
    return this.#model;
  }

  async #release(): Promise<void> {
    await this.#model?.[Symbol.asyncDispose]();
    this.#model = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function responseOf(sequence: Sequence): Promise<SampledResponse> {
  const logprobs: number[] = [];
  let isEnded = false;
  for await (const event of sequence.events) {
    if (event.type === "token") logprobs.push(event.logprob);
    if (event.type === "finished") isEnded = event.reason === "stop";
  }
  const tokens = sequence.tokens.slice(sequence.promptTokens);
  return { tokens, samplerLogprobs: Float32Array.from(logprobs), isEnded };
}

/** Weights that are trained whole, as a checkpoint's file gives them. */
function sourceOf(trained: Trained): Pick<TensorSource, "read"> {
  return { read: (name) => trained.get(name)?.values ?? missing(name) };
}

function missing(name: string): never {
  throw new Error(`${name} is not trained`);
}
