/** @file The fused head and loss: against plain JavaScript in double precision, whole and in pieces of the vocabulary. */
import { expect, test } from "vitest";
import { Graph } from "@/model/graph/graph";
import { linearCrossEntropy } from "@/model/losses/linear-cross-entropy";
import { normalTensor } from "@/model/random/normal";
import { GraphSession, type TensorData } from "@/model/runtime/graph-session";

const [rows, width, vocabulary] = [5, 6, 70];
const x = normalTensor(1, 0, rows * width, 2);
const head = normalTensor(1, 1, vocabulary * width, 2);
// A label in the first piece, in the last, one twice; a padded row, and one that counts against its token.
const labels = [3, 69, 40, 3, 0];
const weights = [0.5, 0.25, -0.25, 0.3, 0];

function reference() {
  const dx = new Float64Array(rows * width);
  const dHead = new Float64Array(vocabulary * width);
  let loss = 0;
  for (const [i, label] of labels.entries()) {
    const xi = [...x.subarray(i * width, (i + 1) * width)];
    const row = (v: number) => head.subarray(v * width, (v + 1) * width);
    const logits = Array.from({ length: vocabulary }, (_, v) =>
      xi.reduce((sum, value, k) => sum + value * (row(v)[k] ?? 0), 0),
    );
    const lse = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    const weight = weights[i] ?? 0;
    loss += weight * (lse - (logits[label] ?? 0));
    for (const [v, logit] of logits.entries()) {
      const slope = weight * (Math.exp(logit - lse) - Number(v === label));
      for (const [k, value] of xi.entries()) {
        dx[i * width + k] = (dx[i * width + k] ?? 0) + slope * (row(v)[k] ?? 0);
        dHead[v * width + k] = (dHead[v * width + k] ?? 0) + slope * value;
      }
    }
  }
  return { loss, dx, dHead };
}

const largestDifference = (a: TensorData | undefined, b: Float64Array) => {
  expect(a?.length).toBe(b.length);
  return Math.max(...b.map((value, i) => Math.abs(Number(a?.[i]) - value)));
};

// 5 rows of 16 logits at most: pieces of 16, the last of 6.
test.each([
  ["in one piece", undefined],
  ["in pieces of 16", 80],
])("loss and both gradients, %s", async (_, mostLogits) => {
  const g = new Graph();
  const inputs = {
    x: g.input("x", "float32", [rows, width]),
    head: g.input("head", "float32", [vocabulary, width]),
  };
  const targets = {
    labels: g.input("labels", "int64", [rows]),
    weights: g.input("weights", "float32", [rows]),
  };
  const { loss, gradients } = linearCrossEntropy(g, inputs, targets, mostLogits);
  expect(g.nodes.filter(({ op }) => op === "Softmax")).toHaveLength(mostLogits ? 5 : 1);
  g.output("loss", loss);
  g.output("dx", gradients.x());
  g.output("dHead", gradients.head());
  await using session = await GraphSession.create(g, { threads: 1 });
  const outputs = await session.run({
    x,
    head,
    labels: BigInt64Array.from(labels, BigInt),
    weights: Float32Array.from(weights),
  });
  const expected = reference();
  // Logits of order 30 in single precision.
  expect(Number(outputs.loss?.[0])).toBeCloseTo(expected.loss, 5);
  expect(largestDifference(outputs.dx, expected.dx)).toBeLessThan(2e-5);
  expect(largestDifference(outputs.dHead, expected.dHead)).toBeLessThan(2e-5);
});
