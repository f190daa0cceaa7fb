/** @file Writes a graph as an ONNX ModelProto. Field numbers are those of onnx.proto3 (IR version 10). */
import { type Graph, opSpec } from "./graph";
import type { AnyOp, Attrs, Inputs } from "./op-signatures";
import type { OnnxAttribute, OnnxForm } from "./op-spec";
import { ProtobufWriter } from "./protobuf";
import { dtypes, type TensorType } from "./tensor-type";
import type { AnyNode, Value } from "./value";

const irVersion = 10;
const opsets = [
  { domain: "", version: 21 },
  { domain: "com.microsoft", version: 1 },
];

/** Models above this go over protobuf's 2 GiB cap or near it: keep weights in a file beside the model instead. */
export const maxInlineBytes = 1.5 * 2 ** 30;

export type EncodeOptions = {
  /**
   * Has results computed in the order they were recorded. ONNX Runtime walks depth first back from the last node that
   * nothing reads to the first, so a backward pass would go down to the first layer before it computed any gradient of a
   * weight, with everything those are made of still in memory. Nodes written last to first are walked first to last.
   */
  resultsInOrder?: boolean;
};

/** The model file's bytes. Weights given as file ranges stay outside, relative to the model's folder. */
export function encodeOnnx(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  const inline = graph.initializers.reduce((sum, { source }) => sum + inlineBytes(source), 0);
  if (inline > maxInlineBytes) {
    throw new RangeError(`ONNX model: ${inline} bytes of weights in one file, at most ${maxInlineBytes}`);
  }
  const model = new ProtobufWriter().int(1, irVersion).string(2, "attune");
  model.message(7, (out) => writeGraph(out, graph, options));
  for (const { domain, version } of opsets) {
    model.message(8, (out) => out.string(1, domain).int(2, version));
  }
  return model.finish();
}

function inlineBytes(source: Value["source"]): number {
  return source.kind === "initializer" && source.data.kind === "bytes" ? source.data.bytes.byteLength : 0;
}

function writeGraph(out: ProtobufWriter, graph: Graph, { resultsInOrder = false }: EncodeOptions): void {
  const constants = new Int64Constants();
  for (const node of resultsInOrder ? graph.nodes.toReversed() : graph.nodes)
    out.message(1, (message) => writeNode(message, node, constants));
  // A result gets its public name by Identity, which the runtime removes.
  for (const { name, value } of graph.outputs) {
    out.message(1, (message) => message.string(1, value.name).string(2, name).string(4, "Identity"));
  }
  out.string(2, "attune");
  for (const initializer of graph.initializers)
    out.message(5, (message) => writeTensor(message, initializer));
  for (const [name, values] of constants.entries()) {
    out.message(5, (message) => writeInt64Vector(message, name, values));
  }
  for (const input of graph.inputs) out.message(11, (message) => writeValueInfo(message, input.name, input));
  // The runtime looks for memory to use again among all that is free, by shape. Of shapes that it has to work out itself it
  // knows no two to be equal: nothing is ever used again, and the search grows with the square of the graph.
  for (const { name, ...type } of graph.nodes.flatMap(({ outputs }) => outputs))
    out.message(13, (message) => writeValueInfo(message, name, type));
  for (const { name, value } of graph.outputs) {
    out.message(12, (message) => writeValueInfo(message, name, value));
  }
}

/** Shapes and axes that ONNX wants as operands, each stored once. */
class Int64Constants {
  readonly #names = new Map<string, readonly number[]>();

  name(values: readonly number[]): string {
    const name = `int64_${values.join("_")}`;
    this.#names.set(name, values);
    return name;
  }

  entries(): Iterable<[string, readonly number[]]> {
    return this.#names.entries();
  }
}

function formOf<K extends AnyOp>(op: K, attrs: Attrs<K>, inputs: Inputs<K>): OnnxForm {
  return opSpec(op).write?.(attrs, inputs) ?? {};
}

function writeNode(out: ProtobufWriter, node: AnyNode, constants: Int64Constants): void {
  const form = formOf<AnyOp>(node.op, node.attrs, node.inputs);
  for (const name of inputNames(node, form, constants)) out.string(1, name);
  for (const name of outputNames(node, form)) out.string(2, name);
  out.string(3, node.output.name).string(4, node.op);
  for (const attribute of form.attributes ?? []) {
    out.message(5, (message) => writeAttribute(message, attribute));
  }
  if (form.domain) out.string(7, form.domain);
}

/** Operand names in ONNX order; an empty name stands for an omitted operand. */
function inputNames(node: AnyNode, form: OnnxForm, constants: Int64Constants): string[] {
  const operands = (form.operands ?? []).map((values) => (values === null ? "" : constants.name(values)));
  const given = (form.inputs ?? node.inputs).map((input) => input?.name ?? "");
  const names = [...given, ...operands];
  while (names.at(-1) === "") names.pop();
  return names;
}

function outputNames(node: AnyNode, { outputSlots }: OnnxForm): string[] {
  if (!outputSlots) return node.outputs.map(({ name }) => name);
  const names = Array.from({ length: Math.max(...outputSlots) + 1 }, () => "");
  for (const [i, slot] of outputSlots.entries()) names[slot] = node.outputs[i]?.name ?? "";
  return names;
}

function writeAttribute(out: ProtobufWriter, attribute: OnnxAttribute): void {
  out.string(1, attribute.name);
  if ("float" in attribute) out.float(2, attribute.float).int(20, 1);
  else if ("int" in attribute) out.int(3, attribute.int).int(20, 2);
  else if ("string" in attribute) out.string(4, attribute.string).int(20, 3);
  else {
    for (const value of attribute.ints) out.int(8, value);
    out.int(20, 7);
  }
}

function writeTensor(out: ProtobufWriter, value: Value): void {
  if (value.source.kind !== "initializer") throw new TypeError(`${value.name} holds no weights`);
  for (const dim of value.shape) out.int(1, Number(dim));
  out.int(2, dtypes[value.dtype].onnx).string(8, value.name);
  const { data } = value.source;
  if (data.kind === "bytes") {
    out.bytes(9, data.bytes);
    return;
  }
  const entries = { location: data.location, offset: String(data.offset), length: String(data.sizeBytes) };
  for (const [key, text] of Object.entries(entries)) {
    out.message(13, (message) => message.string(1, key).string(2, text));
  }
  out.int(14, 1);
}

function writeInt64Vector(out: ProtobufWriter, name: string, values: readonly number[]): void {
  const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  out.int(1, values.length).int(2, dtypes.int64.onnx).string(8, name).bytes(9, bytes);
}

function writeValueInfo(out: ProtobufWriter, name: string, { dtype, shape }: TensorType): void {
  out.string(1, name).message(2, (type) => {
    type.message(1, (tensor) => {
      tensor.int(1, dtypes[dtype].onnx).message(2, (dims) => {
        for (const dim of shape) {
          dims.message(1, (message) =>
            typeof dim === "number" ? message.int(1, dim) : message.string(2, dim),
          );
        }
      });
    });
  });
}
