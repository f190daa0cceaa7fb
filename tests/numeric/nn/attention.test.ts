/** @file Attention in blocks of queries against every query with every key, on packed rows longer than a block. */
import { expect, test } from "vitest";
import { buildBackward } from "@/model/autodiff/build-backward";
import { Graph, type Value } from "@/model/graph/graph";
import { attention } from "@/model/nn/attention";
import { packedMask } from "@/model/nn/packed-mask";
import { normalTensor } from "@/model/random/normal";
import { GraphSession } from "@/model/runtime/graph-session";

const [batch, heads, keyHeads, size] = [2, 4, 2, 8];

type Formula = (g: Graph, q: Value, keys: Value, values: Value, mask: Value) => Value;

const inBlocks: Formula = (g, q, keys, values, mask) => attention(g, { q, keys, values }, mask);

const atOnce: Formula = (g, q, keys, values, mask) => {
  const time = Number(q.shape[2]);
  const rows = g.reshape(q, [batch, keyHeads, (heads / keyHeads) * time, size]);
  const scores = g.scale(g.matMul(rows, g.transposeLast(keys)), 1 / Math.sqrt(size));
  return g.reshape(g.matMul(g.softmax(g.add(scores, mask)), values), q.shape);
};

// One block; two of unequal length; four, the last one short.
test.each([60, 100, 301])("%i tokens: result and gradients", async (time) => {
  const [expected, actual] = [await compute(atOnce, time), await compute(inBlocks, time)];
  for (const [name, values] of Object.entries(expected)) {
    const worst = values.reduce(
      (most, x, i) => Math.max(most, Math.abs(x - (actual[name]?.[i] ?? Infinity))),
      0,
    );
    // Sums in another order, of up to `time` terms.
    expect(worst, name).toBeLessThan(2e-5);
  }
});

/** y, and the gradients of sum(y w), over rows that hold two examples each. */
async function compute(formula: Formula, time: number): Promise<Record<string, Float32Array>> {
  const g = new Graph();
  const shapes = {
    q: [batch, heads, time, size],
    k: [batch, keyHeads, time, size],
    v: [batch, keyHeads, time, size],
  };
  const inputs = Object.entries({ ...shapes, w: shapes.q }).map(([name, shape]) =>
    g.input(name, "float32", shape),
  );
  const [q, keys, values, w] = inputs as [Value, Value, Value, Value];
  const positions = g.input("positions", "int64", [batch, time]);
  const segments = g.input("segments", "int64", [batch, time]);
  const layout = { headCount: heads, keyValueHeadCount: keyHeads, headSize: size };
  const y = formula(g, q, keys, values, packedMask(g, positions, segments, layout));
  const loss = g.apply("ReduceSum", [g.mul(y, w)], { axes: [0, 1, 2, 3], keepDims: false });
  g.output("y", y);
  for (const [i, gradient] of buildBackward(g, loss, [q, keys, values]).entries())
    g.output(`gradient ${i}`, gradient);
  const split = Math.floor(time / 3);
  const perToken = (of: (at: number) => number) =>
    BigInt64Array.from({ length: batch * time }, (_, i) => BigInt(of(i % time)));
  const random = inputs.map(({ name, shape }, i) => {
    const length = shape.reduce<number>((product, dim) => product * Number(dim), 1);
    return [name, normalTensor(7, i, length, 1)] as const;
  });
  await using session = await GraphSession.create(g, { threads: 1 });
  return (await session.run({
    ...Object.fromEntries(random),
    positions: perToken((at) => (at < split ? at : at - split)),
    segments: perToken((at) => (at < split ? 0 : 1)),
  })) as Record<string, Float32Array>;
}
