/** @file Cross-entropy of the next token together with the output head before it, with its gradients in closed form. */
import type { Graph, Value } from "../graph/graph";

export type Targets = {
  /** int64 (N) */
  labels: Value;
  /** float32 (N): what each token counts, 0 for padding; 1 / N for a mean. */
  weights: Value;
};

/** How to start the backward walk. */
export type HeadGradients = {
  /** dL/dx (N, H) */
  x: () => Value;
  /** dL/dW (V, H) */
  head: () => Value;
};

export type LinearCrossEntropy = {
  /** A scalar, in nats. */
  loss: Value;
  gradients: HeadGradients;
};

/** L = sum_i w_i nll_i, the mean cross-entropy where the weights are 1 / N. Arguments as those of `tokenLosses`. */
export function linearCrossEntropy(
  g: Graph,
  output: { x: Value; head: Value },
  { labels, weights }: Targets,
  mostLogits = defaultMostLogits,
): LinearCrossEntropy {
  const { nll, gradients } = tokenLosses(g, output, labels, { mostLogits });
  const weight = g.reshape(weights, nll.shape);
  const loss = g.apply("ReduceSum", [g.mul(nll, weight)], { axes: [0, 1], keepDims: false });
  return { loss, gradients: gradients(weight) };
}

export type TokenLosses = {
  /** (N, 1) -log p(label), in nats. */
  nll: Value;
  /** @param weight (N, 1) dL/dnll, which may itself follow from nll */
  gradients: (weight: Value) => HeadGradients;
};

/**
 * nll_i = logsumexp_v(x_i · W_v) - x_i · W_label(i), and the way back from w = dL/dnll:
 *
 *   dL/dx_i = w_i (sum_v p_iv W_v - W_label(i)),  dL/dW_v = sum_i w_i (p_iv - [v = label(i)]) x_i,  p = softmax(x Wᵀ)
 *
 * The vocabulary is handled in pieces. p_piece is normalised within its piece; what it lacks is one factor per row,
 * exp(lse_piece - lse), which is put on the narrow side of each product, as is w. So the widest arrays of the whole
 * step, (N, V), are written twice: by the product, and by the softmax.
 * @param x (N, H), where N may be a symbol @param head W (V, H) @param labels int64 (N)
 * @param mostLogits elements of a piece's logits @param mostRows N, or where that is a symbol the most it will be
 */
export function tokenLosses(
  g: Graph,
  { x, head }: { x: Value; head: Value },
  labels: Value,
  { mostLogits = defaultMostLogits, mostRows = Number(x.shape[0]) }: TokenLossOptions = {},
): TokenLosses {
  const [rows = 1] = x.shape;
  const pieces = cutVocabulary(mostRows, Number(head.shape[0]), mostLogits).map(([from, to]) => {
    const table = to - from === head.shape[0] ? head : g.slice(head, 0, from, to); // (piece, H)
    const logits = g.apply("Gemm", [x, table], { transA: false, transB: true }); // (N, piece)
    const probabilities = g.softmax(logits); // within the piece
    const largest = (of: Value) => g.apply("ReduceMax", [of], { axes: [1], keepDims: true });
    // softmax(l) = exp(l - lse), most exact where l is largest.
    const lse = g.sub(largest(logits), g.apply("Log", [largest(probabilities)], {})); // (N, 1)
    return { table, probabilities, lse };
  });
  const lse = logSumExp(
    g,
    pieces.map((piece) => piece.lse),
  );
  const labelRows = g.gather(head, labels); // (N, H)
  const nll = g.sub(lse, g.reduceSum(g.mul(x, labelRows), 1)); // (N, 1)
  const shareOf = (piece: (typeof pieces)[number]) => g.exp(g.sub(piece.lse, lse)); // (N, 1)

  const gradientOfX = (weight: Value) => {
    const expected = pieces.map((piece) =>
      g.mul(
        g.apply("Gemm", [piece.probabilities, piece.table], { transA: false, transB: false }),
        shareOf(piece),
      ),
    );
    return g.mul(g.sub(expected.reduce(g.add), labelRows), weight);
  };
  const gradientOfHead = (weight: Value) => {
    const weighted = g.mul(x, weight); // (N, H)
    const expected = pieces.map((piece) =>
      g.apply("Gemm", [piece.probabilities, g.mul(weighted, shareOf(piece))], {
        transA: true,
        transB: false,
      }),
    );
    const whole = expected.length === 1 && expected[0] ? expected[0] : g.concat(expected, 0);
    return g.apply("ScatterND", [whole, g.reshape(labels, [rows, 1]), g.neg(weighted)], { reduction: "add" });
  };
  return {
    nll,
    gradients: (weight) => ({ x: () => gradientOfX(weight), head: () => gradientOfHead(weight) }),
  };
}

export type TokenLossOptions = { mostLogits?: number; mostRows?: number };

/** log sum_k exp(l_k) of columns (N, 1). */
function logSumExp(g: Graph, columns: readonly Value[]): Value {
  const [only] = columns;
  if (only && columns.length === 1) return only;
  const all = g.concat([...columns], 1); // (N, pieces)
  const largest = g.apply("ReduceMax", [all], { axes: [1], keepDims: true });
  const sum = g.reduceSum(g.exp(g.sub(all, largest)), 1);
  return g.add(largest, g.apply("Log", [sum], {}));
}

/** 16 MiB in single precision: a piece is still in the processor's cache when the next product reads it. */
const defaultMostLogits = 2 ** 22;

/**
 * Pieces of equal width. Rows a whole number of pages apart would share a few sets of the processor's cache: products
 * with them ran at 125 GFLOP/s instead of 200, so such widths are avoided.
 */
function cutVocabulary(
  rows: number,
  vocabularySize: number,
  mostLogits: number,
): [from: number, to: number][] {
  const count = Math.ceil((rows * vocabularySize) / mostLogits);
  if (count <= 1) return [[0, vocabularySize]];
  const even = 16 * Math.ceil(vocabularySize / count / 16);
  const width = even % 512 === 0 ? even + 16 : even;
  return Array.from({ length: Math.ceil(vocabularySize / width) }, (_, i) => [
    i * width,
    Math.min(vocabularySize, (i + 1) * width),
  ]);
}
