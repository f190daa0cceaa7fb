/** @file The two normalisations over the last axis. */
import type { Graph, Value } from "@/model/graph/graph";
import type { ModelWeights } from "./weights";

type Norm = { name: string; size: number; epsilon: number };

/** y = x / sqrt(mean(x²) + ε) * scale */
export function rmsNorm(g: Graph, weights: ModelWeights, x: Value, { name, size, epsilon }: Norm): Value {
  const scale = weights.vector(g, `${name}.weight`, size);
  return g.apply("SimplifiedLayerNormalization", [x, scale], { epsilon });
}

/** y = (x - mean(x)) / sqrt(var(x) + ε) * scale + bias */
export function layerNorm(g: Graph, weights: ModelWeights, x: Value, { name, size, epsilon }: Norm): Value {
  const scale = weights.vector(g, `${name}.weight`, size);
  const bias = weights.vector(g, `${name}.bias`, size);
  return g.apply("LayerNormalization", [x, scale, bias], { epsilon });
}
