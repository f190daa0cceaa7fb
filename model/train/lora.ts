/** @file Adapters as arrays: made at random, and merged into the weights they stand beside. */
import { expectedTensors } from "../checkpoint/expected-tensors";
import type { ModelConfig } from "../checkpoint/model-config";
import { Graph } from "../graph/graph";
import { isTarget, type LoraShape, loraName } from "../nn/trained-weights";
import type { TrainedParameter } from "../optim/adamw";
import { normalTensor } from "../random/normal";
import { GraphSession } from "../runtime/graph-session";

/** A layer that an adapter stands beside; `weight` is its tensor's name. */
export type AdaptedLayer = {
  layer: string;
  weight: string;
  inSize: number;
  outSize: number;
  isInOut: boolean;
};

/** No layer of the model has the name of a target. */
export class UnknownTargetError extends Error {
  override readonly name = "UnknownTargetError";
  constructor(targets: readonly string[], known: readonly string[]) {
    super(`LoRA targets ${targets.join(", ")} name no layer of this model. It has ${known.join(", ")}.`);
  }
}

/** The layers an adapter stands beside, in the order of the model. */
export function adaptedLayers(config: ModelConfig, lora: LoraShape): AdaptedLayer[] {
  const layers = allLayers(config);
  const isFound = (target: string) =>
    layers.some(({ layer }) => isTarget({ ...lora, targets: [target] }, layer));
  const unknown = lora.targets.filter((target) => !isFound(target));
  if (unknown.length > 0) throw new UnknownTargetError(unknown, everyLayer(config));
  return layers.filter(({ layer }) => isTarget(lora, layer));
}

/** The last names of all layers an adapter can stand beside: q_proj, k_proj, … */
export function everyLayer(config: ModelConfig): string[] {
  return [...new Set(allLayers(config).map(({ layer }) => layer.split(".").at(-1) ?? layer))];
}

/** Matrices within numbered blocks; embeddings, positions and the head are tables. */
function allLayers(config: ModelConfig): AdaptedLayer[] {
  const isInOut = config.family === "gpt2";
  return [...expectedTensors(config)].flatMap(([weight, [rows, columns]]) => {
    if (rows === undefined || columns === undefined || !/\.\d+\./.test(weight)) return [];
    const [inSize, outSize] = isInOut ? [rows, columns] : [columns, rows];
    return [{ layer: weight.replace(/\.weight$/, ""), weight, isInOut, inSize, outSize }];
  });
}

/** A new adapter: A normal with deviation 1 / sqrt(in), B zero, so that it changes nothing yet. */
export function createLora(
  config: ModelConfig,
  lora: LoraShape,
  seed: number,
): Map<string, TrainedParameter> {
  const parameters = new Map<string, TrainedParameter>();
  for (const [i, { layer, inSize, outSize }] of adaptedLayers(config, lora).entries()) {
    const down = normalTensor(seed, i, lora.rank * inSize, 1 / Math.sqrt(inSize));
    parameters.set(loraName(layer, "A"), { values: down, shape: [lora.rank, inSize] });
    const up = new Float32Array(outSize * lora.rank);
    parameters.set(loraName(layer, "B"), { values: up, shape: [outSize, lora.rank] });
  }
  return parameters;
}

/** Merges adapters of one rank and scale into weights, by one small graph per shape. */
export class LoraMerger implements AsyncDisposable {
  readonly #lora: LoraShape;
  readonly #sessions = new Map<string, GraphSession>();

  constructor(lora: LoraShape) {
    this.#lora = lora;
  }

  /**
   * W + alpha / rank * B A, in the layout of W: (out, in) or, in GPT-2, (in, out).
   * @param adapter arrays by PEFT's names @param base is not changed
   */
  async merge(
    layer: AdaptedLayer,
    adapter: ReadonlyMap<string, Float32Array>,
    base: Float32Array,
  ): Promise<Float32Array> {
    const [a, b] = [adapter.get(loraName(layer.layer, "A")), adapter.get(loraName(layer.layer, "B"))];
    if (a === undefined || b === undefined) throw new Error(`The adapter holds nothing for ${layer.layer}`);
    const { merged } = await (await this.#sessionFor(layer)).run({ weight: base, a, b });
    if (merged instanceof Float32Array) return merged;
    throw new TypeError("The graph returned no float32 array");
  }

  async #sessionFor({ inSize, outSize, isInOut }: AdaptedLayer): Promise<GraphSession> {
    const key = `${inSize} ${outSize} ${isInOut}`;
    const known = this.#sessions.get(key);
    if (known) return known;
    const { rank, alpha } = this.#lora;
    const g = new Graph();
    const weight = g.input("weight", "float32", isInOut ? [inSize, outSize] : [outSize, inSize]);
    const product = g.matMul(
      g.input("b", "float32", [outSize, rank]),
      g.scale(g.input("a", "float32", [rank, inSize]), alpha / rank),
    ); // (out, in)
    g.output("merged", g.add(weight, isInOut ? g.transposeLast(product) : product));
    // One thread: the disk is slower, and the sums stay the same on any machine.
    const session = await GraphSession.create(g, { threads: 1 });
    this.#sessions.set(key, session);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) await session[Symbol.asyncDispose]();
    this.#sessions.clear();
  }
}
