/** @file The compiled graphs of one model, a graph per batch length: made when first needed, the least used let go. */
import type { ModelConfig } from "../checkpoint/model-config";
import type { LoraShape } from "../nn/trained-weights";
import { GraphSession } from "../runtime/graph-session";
import {
  buildLanguageModelGraph,
  type LanguageModelGraph,
  type LanguageModelOptions,
} from "./language-model-graph";
import type { BatchShape } from "./token-batch";

export type CompiledGraph = { model: LanguageModelGraph; session: GraphSession; shape: BatchShape };

export type BatchSessionsOptions = {
  config: ModelConfig;
  lora: LoraShape | null;
  /** Of the longest batches. */
  shape: BatchShape;
  threads: number;
  /** What is built at each length. */
  build: Omit<LanguageModelOptions, "lora" | "logits">;
};

/**
 * A session's memory grows with its batch and only goes back when it is released. So together they may hold half as many
 * tokens more than the longest batch does: the usual one stays beside the one or two that an epoch's last rows need.
 */
const mostTokens = ({ rows, length }: BatchShape) => 1.5 * rows * length;

export class BatchSessions implements AsyncDisposable {
  readonly #options: BatchSessionsOptions;
  /** By batch length, in order of use: the most recent last. */
  readonly #compiled = new Map<number, CompiledGraph>();

  constructor(options: BatchSessionsOptions) {
    this.#options = options;
  }

  /** Lengths that are compiled now, the most recently used last. */
  get lengths(): number[] {
    return [...this.#compiled.keys()];
  }

  /** @param length tokens in a row, at most those of the longest batches */
  async for(length: number): Promise<CompiledGraph> {
    const { config, lora, shape, threads, build } = this.#options;
    const known = this.#compiled.get(length);
    this.#compiled.delete(length);
    if (known) {
      this.#compiled.set(length, known);
      return known;
    }
    await this.#makeRoomFor(length);
    // One number of targets for the whole run, so that shapes differ by length alone.
    const ofLength = { ...shape, length, targets: Math.min(shape.targets, shape.rows * length) };
    const model = buildLanguageModelGraph(config, ofLength, { ...build, lora });
    const session = await GraphSession.create(model.graph, { threads });
    const made = { model, session, shape: ofLength };
    this.#compiled.set(length, made);
    return made;
  }

  async #makeRoomFor(length: number): Promise<void> {
    const { shape } = this.#options;
    for (const [oldest, { session }] of this.#compiled) {
      const held = this.lengths.reduce((sum, each) => sum + each * shape.rows, 0);
      if (held + length * shape.rows <= mostTokens(shape)) return;
      this.#compiled.delete(oldest);
      await session[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { session } of this.#compiled.values()) await session[Symbol.asyncDispose]();
    this.#compiled.clear();
  }
}
