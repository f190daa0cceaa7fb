/** @file Rotary position embedding: its tables by position, and its application to heads. */
import type { LlamaConfig, Qwen2Config, RopeScaling } from "@/model/checkpoint/model-config";
import type { Graph, Value } from "@/model/graph/graph";
import type { ModelWeights } from "./weights";

export type RopeTables = { cos: Value; sin: Value };

/** cos and sin of position * frequency, each (contextLength, headSize / 2). */
export function ropeTables(g: Graph, weights: ModelWeights, config: LlamaConfig | Qwen2Config): RopeTables {
  const shape = [config.contextLength, config.headSize / 2];
  const table = (f: (angle: number) => number) => () => ropeTable(config, f);
  return {
    cos: weights.constant(g, "rope.cos", shape, table(Math.cos)),
    sin: weights.constant(g, "rope.sin", shape, table(Math.sin)),
  };
}

/** x (B, H, T, D), positions (B, T) -> (B, H, T, D) */
export function rotate(g: Graph, x: Value, positions: Value, { cos, sin }: RopeTables): Value {
  return g.apply("RotaryEmbedding", [x, positions, cos, sin], {});
}

function ropeTable(config: LlamaConfig | Qwen2Config, f: (angle: number) => number): Float32Array {
  const frequencies = ropeFrequencies(config.headSize, config.ropeTheta, config.ropeScaling);
  const table = new Float32Array(config.contextLength * frequencies.length);
  for (let position = 0; position < config.contextLength; position++) {
    for (const [i, frequency] of frequencies.entries()) {
      // float32 steps, as in transformers: cos of far positions depends on how the angle was rounded.
      table[position * frequencies.length + i] = f(Math.fround(position * frequency));
    }
  }
  return table;
}

/** θ^(-2i/D) for i < D/2, scaled as the configuration says, in float32. */
export function ropeFrequencies(headSize: number, theta: number, scaling: RopeScaling | null): number[] {
  return Array.from({ length: headSize / 2 }, (_, i) => {
    const frequency = Math.fround(1 / theta ** ((2 * i) / headSize));
    return Math.fround(scaleFrequency(frequency, scaling));
  });
}

function scaleFrequency(frequency: number, scaling: RopeScaling | null): number {
  if (scaling === null) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  // Llama 3.1 (transformers, modeling_rope_utils.py, _compute_llama3_parameters).
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalContextLength / highFreqFactor) return frequency;
  if (wavelength > originalContextLength / lowFreqFactor) return frequency / factor;
  const smooth = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}
