/** @file A checkpoint's weights as one model: an adapter is merged into its lineage's base, tensor by tensor. */
import path from "node:path";
import { adapterWeightsFile, loraShapeOf } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { openSafetensors } from "../checkpoint/safetensors-reader";
import type { TensorSource } from "../checkpoint/tensor-source";
import { type AdaptedLayer, adaptedLayers, LoraMerger } from "./lora";

/** Holds one tensor at a time; what is read is the reader's. */
export class CompleteWeights implements AsyncDisposable {
  readonly #base: TensorSource;
  readonly #adapted: ReadonlyMap<string, AdaptedLayer>;
  readonly #adapter: { merger: LoraMerger; values: ReadonlyMap<string, Float32Array> } | null;

  private constructor(
    base: TensorSource,
    adapted: readonly AdaptedLayer[],
    adapter: { merger: LoraMerger; values: ReadonlyMap<string, Float32Array> } | null,
  ) {
    this.#base = base;
    this.#adapted = new Map(adapted.map((layer) => [layer.weight, layer]));
    this.#adapter = adapter;
  }

  /** @param checkpoint must stay open. @throws AdapterError for an adapter that was not trained here */
  static async open({ folder, config, tensors, adapter }: Checkpoint): Promise<CompleteWeights> {
    if (adapter === null) return new CompleteWeights(tensors, [], null);
    const lora = loraShapeOf(adapter);
    using stored = openSafetensors([path.join(folder, adapterWeightsFile)]);
    const values = new Map(stored.names().map((name) => [name, stored.read(name)]));
    return new CompleteWeights(tensors, adaptedLayers(config, lora), {
      merger: new LoraMerger(lora),
      values,
    });
  }

  /** W, or W + alpha / rank * B A where an adapter stands beside it; float32, in the layout of W. */
  async read(name: string): Promise<Float32Array> {
    // A reward model's head lies with its adapter, whole.
    const saved = this.#adapter?.values.get(`base_model.model.${name}`);
    if (saved !== undefined) return saved;
    const weight = this.#base.read(name);
    const layer = this.#adapted.get(name);
    if (layer === undefined || this.#adapter === null) return weight;
    return this.#adapter.merger.merge(layer, this.#adapter.values, weight);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#adapter?.merger[Symbol.asyncDispose]();
  }
}
