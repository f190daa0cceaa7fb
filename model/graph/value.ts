/** @file What flows through a graph: values, the nodes that make them, and the weights they may stand for. */
import type { AnyOp, Attrs, Inputs } from "./op-signatures";
import type { TensorType } from "./tensor-type";

/** Bytes of an initializer: in memory, or a range of a file beside the model. */
export type WeightData =
  | { kind: "bytes"; bytes: Uint8Array }
  | { kind: "file"; location: string; offset: number; sizeBytes: number };

/** A tensor in the graph. Its name is unique in the graph. */
export type Value = TensorType & {
  readonly name: string;
  readonly source:
    | { readonly kind: "input" }
    | { readonly kind: "initializer"; readonly data: WeightData }
    | { readonly kind: "node"; readonly node: AnyNode; readonly index: number };
};

/** One recorded op. `output` is the value gradients flow through; the others are by-products. */
export type Node<K extends AnyOp> = {
  readonly op: K;
  readonly inputs: Inputs<K>;
  readonly attrs: Attrs<K>;
  readonly output: Value;
  readonly outputs: readonly Value[];
};

/** A node of any op: a union that narrows on `op`. */
export type AnyNode = { [K in AnyOp]: Node<K> }[AnyOp];
