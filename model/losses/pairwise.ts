/** @file The loss of a reward model: of two responses, the preferred one should score higher. */
import type { Graph, Value } from "../graph/graph";

export type Pairs = {
  /** int64 (N) place of the preferred response among the scores, and of the other one. */
  chosen: Value;
  rejected: Value;
  /** (N) what each pair counts. */
  weights: Value;
};

/**
 * L = -sum_i w_i log sigmoid(r_chosen(i) - r_rejected(i)) = sum_i w_i softplus(r_rejected(i) - r_chosen(i))
 *
 * With w_i = 1 / C(K, 2) for the pairs of each ranking it is InstructGPT's (arXiv 2203.02155, eq. 1): C(K, 2) counts all
 * pairs of the K ranked responses; tied ones are in no sum.
 * @param scores (R) @returns a scalar, in nats
 */
export function pairwiseLoss(g: Graph, scores: Value, { chosen, rejected, weights }: Pairs): Value {
  const column = (x: Value) => g.reshape(x, [x.shape[0] ?? 1, 1]);
  const at = (places: Value) => g.gather(column(scores), places); // (N, 1)
  const short = g.apply("Softplus", [g.sub(at(rejected), at(chosen))], {});
  // The sum as a product: its gradient needs no size, which may be a symbol.
  return g.reshape(g.apply("Gemm", [short, column(weights)], { transA: true, transB: false }), []);
}
