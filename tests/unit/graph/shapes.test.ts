/** @file Shapes are inferred with symbols, and operands that do not fit are refused by an error that names op and shapes. */
import { describe, expect, it } from "vitest";
import { encodeOnnx } from "@/model/graph/encode-onnx";
import { Graph } from "@/model/graph/graph";
import { GraphError } from "@/model/graph/tensor-type";

const build = () => {
  const g = new Graph();
  return { g, x: g.input("x", "float32", ["batch", "time", 6]), w: g.input("w", "float32", [6, 4]) };
};

describe("inferred shapes", () => {
  it("carry symbols through products, reshapes and transposes", () => {
    const { g, x, w } = build();
    expect(g.matMul(x, w).shape).toEqual(["batch", "time", 4]);
    const heads = g.reshape(x, ["batch", "time", 2, 3]);
    expect(g.transpose(heads, [0, 2, 1, 3]).shape).toEqual(["batch", 2, "time", 3]);
    expect(g.concat([x, x], 1).shape).toEqual(["batch", "2*time", 6]);
    expect(g.reduceSum(x, -1).shape).toEqual(["batch", "time", 1]);
  });

  it("sum a broadcast gradient back to the operand's own shape", () => {
    const { g, x } = build();
    expect(g.sumTo(x, [6]).shape).toEqual([6]);
    expect(g.sumTo(x, ["batch", 1, 6]).shape).toEqual(["batch", 1, 6]);
  });
});

describe("operands that do not fit", () => {
  const { g, x, w } = build();
  const ids = g.input("ids", "int64", ["batch"]);
  it.each<[string, () => unknown, string]>([
    ["inner sizes", () => g.matMul(w, w), "MatMul: inner dimensions differ (float32[6, 4], float32[6, 4])"],
    [
      "broadcasting",
      () => g.add(x, w),
      "Add: shapes do not broadcast (float32[batch, time, 6], float32[6, 4])",
    ],
    ["element types", () => g.mul(w, ids), "Mul: element types differ (float32[6, 4], int64[batch])"],
    ["element counts", () => g.reshape(w, [5, 5]), "Reshape: cannot become [5, 5] (float32[6, 4])"],
    [
      "two open sizes",
      () => g.reshape(x, ["rows", "columns"]),
      "Reshape: [rows, columns] leaves more than one",
    ],
    ["an axis", () => g.softmax(w, 2), "Softmax: axis 2 is outside rank 2 (float32[6, 4])"],
    [
      "a permutation",
      () => g.transpose(w, [0, 0]),
      "Transpose: [0,0] does not permute the axes (float32[6, 4])",
    ],
    ["a range", () => g.slice(w, 1, 2, 9), "Slice: [2, 9) is not a range of axis 1 (float32[6, 4])"],
    ["ids that are no integers", () => g.gather(w, x), "Gather: ids must be integers"],
    ["a name twice", () => g.input("x", "float32", [1]), 'name: "x" is taken'],
  ])("names op and shapes: %s", (_, apply, message) => {
    expect(apply).toThrow(GraphError);
    expect(apply).toThrow(message);
  });

  it("refuses weights whose bytes do not fill their shape", () => {
    const fresh = new Graph();
    const give = () => fresh.initializer("w", { dtype: "float32", shape: [2, 2] }, new Float32Array(3));
    expect(give).toThrow("initializer: w has 12 bytes (float32[2, 2])");
  });
});

it("stores a scalar once, and a shape operand once", () => {
  const { g, w } = build();
  const twice = g.scale(g.scale(w, 0.5), 0.5);
  g.output("y", g.reshape(g.reshape(twice, [4, 6]), [24]));
  expect(g.initializers.map(({ shape }) => shape)).toEqual([[]]);
  const text = Buffer.from(encodeOnnx(g)).toString("latin1");
  expect(text.split("int64_4_6").length - 1).toBe(2); // one use, one definition
});
