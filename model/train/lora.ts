/** @file Adapters as arrays: made at random, and merged into the weights they stand beside. */
import { expectedTensors } from "../checkpoint/expected-tensors";
import type { ModelConfig } from "../checkpoint/model-config";
import { isTarget, type LoraShape, loraName } from "../nn/trained-weights";
import type { TrainedParameter } from "../optim/adamw";
import { normalTensor } from "../random/normal";

type AdaptedLayer = { layer: string; weight: string; inSize: number; outSize: number; isInOut: boolean };

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

/**
 * W + alpha / rank * B A of each adapted layer, one at a time.
 * @param adapter arrays by PEFT's names @param baseWeight the weight of the base by name; it is not changed
 */
export function* mergeLora(
  config: ModelConfig,
  lora: LoraShape,
  adapter: ReadonlyMap<string, Float32Array>,
  baseWeight: (name: string) => Float32Array,
): Generator<[name: string, values: Float32Array]> {
  for (const { layer, weight, inSize, outSize, isInOut } of adaptedLayers(config, lora)) {
    const [a, b] = [adapter.get(loraName(layer, "A")), adapter.get(loraName(layer, "B"))];
    if (a === undefined || b === undefined) throw new Error(`The adapter holds nothing for ${layer}`);
    const merged = baseWeight(weight).slice();
    const scale = lora.alpha / lora.rank;
    for (let out = 0; out < outSize; out++) {
      for (let r = 0; r < lora.rank; r++) {
        const factor = scale * (b[out * lora.rank + r] ?? 0);
        if (factor === 0) continue;
        for (let i = 0; i < inSize; i++) {
          const at = isInOut ? i * outSize + out : out * inSize + i;
          merged[at] = (merged[at] ?? 0) + factor * (a[r * inSize + i] ?? 0);
        }
      }
    }
    yield [weight, merged];
  }
}
