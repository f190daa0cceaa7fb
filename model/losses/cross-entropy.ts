/** @file Cross-entropy of the next token, with its gradient in closed form. */
import type { Graph, Value } from "../graph/graph";

export type Targets = {
  /** int64 (N) */
  labels: Value;
  /** float32 (N): what each token counts, 0 for padding; 1 / N for a mean. */
  weights: Value;
};

/**
 * L = sum_i w_i (log sum_v exp(x_iv) - x_i,label)
 *
 * dL/dx_iv = w_i (softmax(x_i)_v - [v = label_i]) is given along, which spares the two further (N, V) arrays that
 * differentiating the log-softmax and the choice one by one would take.
 * @param logits (N, V)
 * @returns the loss as a scalar, and dL/dlogits to start the backward walk with
 */
export function crossEntropy(
  g: Graph,
  logits: Value,
  { labels, weights }: Targets,
): { loss: Value; logitsGradient: () => Value } {
  const rows = Number(logits.shape[0]);
  const column = [rows, 1];
  const logprobs = g.apply("LogSoftmax", [logits], { axis: -1 });
  const places = g.reshape(labels, column);
  const chosen = g.apply("GatherElements", [logprobs, places], { axis: 1 });
  const weightColumn = g.reshape(weights, column);
  const loss = g.apply("ReduceSum", [g.mul(g.neg(chosen), weightColumn)], { axes: [0, 1], keepDims: false });
  const logitsGradient = () =>
    g.apply("ScatterElements", [g.mul(g.exp(logprobs), weightColumn), places, g.neg(weightColumn)], {
      axis: 1,
      reduction: "add",
    });
  return { loss, logitsGradient };
}
