/** @file What each op takes: operands as a tuple, attributes as an object. The compiler checks every table against it. */
import type { DType, Shape } from "./tensor-type";
import type { Value } from "./value";

type NoAttrs = Record<string, never>;
type Unary = { inputs: [x: Value]; attrs: NoAttrs };
type Binary = { inputs: [a: Value, b: Value]; attrs: NoAttrs };
type Reduction = { inputs: [x: Value]; attrs: { axes: readonly number[]; keepDims: boolean } };

/**
 * Ops a model is trained with: each has a reverse-mode rule. Where ONNX takes a shape or axes as an operand, they are
 * attributes here and become constants when the graph is written.
 */
export type TrainingOps = {
  Add: Binary;
  Sub: Binary;
  Mul: Binary;
  Div: Binary;
  Min: Binary;
  Max: Binary;
  Neg: Unary;
  Abs: Unary;
  Exp: Unary;
  Log: Unary;
  Sqrt: Unary;
  Reciprocal: Unary;
  Tanh: Unary;
  Sigmoid: Unary;
  Softplus: Unary;
  Erf: Unary;
  Relu: Unary;
  /** "tanh" is GPT-2's approximation. */
  Gelu: { inputs: [x: Value]; attrs: { approximate: "none" | "tanh" } };
  /** x * sigmoid(alpha * x): SiLU at alpha 1. */
  QuickGelu: { inputs: [x: Value]; attrs: { alpha: number } };
  Equal: Binary;
  Less: Binary;
  LessOrEqual: Binary;
  Greater: Binary;
  And: Binary;
  Not: Unary;
  /** Of integers, bit by bit. */
  BitwiseXor: Binary;
  Where: { inputs: [condition: Value, a: Value, b: Value]; attrs: NoAttrs };
  Cast: { inputs: [x: Value]; attrs: { to: DType } };
  MatMul: Binary;
  /** A'B' of matrices, each transposed first where it says so; moves nothing in memory. */
  Gemm: { inputs: [a: Value, b: Value]; attrs: { transA: boolean; transB: boolean } };
  Transpose: { inputs: [x: Value]; attrs: { perm: readonly number[] } };
  /** One symbol that does not stand at its own place in the input is deduced from the rest. */
  Reshape: { inputs: [x: Value]; attrs: { shape: Shape } };
  Expand: { inputs: [x: Value]; attrs: { shape: readonly number[] } };
  Concat: { inputs: Value[]; attrs: { axis: number } };
  /** Takes [start, end) of one axis. */
  Slice: { inputs: [x: Value]; attrs: { axis: number; start: number; end: number } };
  /** Puts `before` and `after` zeros around one axis. */
  Pad: { inputs: [x: Value]; attrs: { axis: number; before: number; after: number } };
  Gather: { inputs: [table: Value, ids: Value]; attrs: { axis: number } };
  GatherElements: { inputs: [x: Value, ids: Value]; attrs: { axis: number } };
  /** Adds updates (…ids, …rest) onto rows of `target` named by ids (…ids, 1). */
  ScatterND: { inputs: [target: Value, ids: Value, updates: Value]; attrs: { reduction: "none" | "add" } };
  ScatterElements: {
    inputs: [target: Value, ids: Value, updates: Value];
    attrs: { axis: number; reduction: "none" | "add" };
  };
  ReduceSum: Reduction;
  ReduceMean: Reduction;
  ReduceMax: Reduction;
  Softmax: { inputs: [x: Value]; attrs: { axis: number } };
  LogSoftmax: { inputs: [x: Value]; attrs: { axis: number } };
  /** Outputs y, mean, 1/std over the last axis. */
  LayerNormalization: { inputs: [x: Value, scale: Value, bias: Value]; attrs: { epsilon: number } };
  /** RMSNorm over the last axis. Outputs y, then 1/rms (…, 1). */
  SimplifiedLayerNormalization: { inputs: [x: Value, scale: Value]; attrs: { epsilon: number } };
  /** Rotates pairs (i, i + D/2) of each head. x (B, H, T, D), positions (B, T) int64, cos and sin (P, D/2). */
  RotaryEmbedding: { inputs: [x: Value, positions: Value, cos: Value, sin: Value]; attrs: NoAttrs };
};

/** Ops met only when serving; nothing is differentiated through them. */
export type ServingOps = {
  /** A @ B with B transposed and the product scaled. */
  FusedMatMul: { inputs: [a: Value, b: Value]; attrs: { transB: boolean; alpha: number } };
  /** Pieces of one axis. Sizes that are symbols come with the run, as an int64 vector of all of them. */
  Split: { inputs: [x: Value, sizes: Value | null]; attrs: { axis: number; sizes: Shape } };
  /** x + skip, RMS-normalised. Outputs y, then the sum (at ONNX output 3). */
  SkipSimplifiedLayerNormalization: {
    inputs: [x: Value, skip: Value, scale: Value];
    attrs: { epsilon: number };
  };
  /** x (…, K) times a block-quantised (N, K). Weights (N, K/block, bytes), scales (N, K/block), optional bias (N). */
  MatMulNBits: {
    inputs: [x: Value, weight: Value, scales: Value, bias: Value | null];
    attrs: { K: number; N: number; bits: 4 | 8; blockSize: number; accuracyLevel: 0 | 4 };
  };
  /** Rows of a block-quantised table (V, K) by id, as float32. Table (V, K * bits / 8), scales (V, K/block). */
  GatherBlockQuantized: {
    inputs: [table: Value, ids: Value, scales: Value];
    attrs: { bits: 4 | 8; blockSize: number };
  };
  ReduceLogSumExp: Reduction;
};

export type OpName = keyof TrainingOps;
export type ServingOp = keyof ServingOps;
export type AnyOp = OpName | ServingOp;
export type OpSignatures = TrainingOps & ServingOps;

export type Inputs<K extends AnyOp> = OpSignatures[K]["inputs"];
export type Attrs<K extends AnyOp> = OpSignatures[K]["attrs"];
