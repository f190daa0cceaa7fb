/** @file GGUF tensors as Hugging Face tensors: other names, rotary rows in their own order, blocks unpacked to halves. */
import { UnsupportedModelError } from "./errors";
import { type BlockFormatName, blockFormats, dequantise } from "./gguf-dequantise";
import type { GgufFile, GgufTensor } from "./gguf-file";
import { floatsToHalves } from "./half-floats";
import type { ModelConfig } from "./model-config";
import type { OutgoingTensor } from "./safetensors-writer";
import { bytesPerElement, type StoredDtype } from "./tensor-source";

/** How a tensor's rows were rearranged when the GGUF was made. */
type Layout =
  | { kind: "plain" }
  /** Pairs (i, i + half) of a head lie side by side. */
  | { kind: "rotary"; headSize: number }
  /** Hugging Face keeps GPT-2's linear weights in x out. */
  | { kind: "transposed" };

type Mapping = { source: string; layout: Layout };

const plain: Layout = { kind: "plain" };
const transposed: Layout = { kind: "transposed" };

const llamaLayerNames: Record<string, string> = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const gpt2LayerNames: Record<string, string> = {
  ln_1: "attn_norm",
  "attn.c_attn": "attn_qkv",
  "attn.c_proj": "attn_output",
  ln_2: "ffn_norm",
  "mlp.c_fc": "ffn_up",
  "mlp.c_proj": "ffn_down",
};
const globalNames: Record<string, string> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
  "transformer.wte": "token_embd",
  "transformer.wpe": "position_embd",
  "transformer.ln_f": "output_norm",
};

/** Where the Hugging Face tensor `name` lies in a GGUF file of this model. */
function mapTensor(name: string, config: ModelConfig): Mapping {
  const [, layer, inLayer, kind] =
    /^(?:model\.layers|transformer\.h)\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (layer === undefined || inLayer === undefined) {
    const [, stem = "", suffix = ""] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
    return { source: `${globalNames[stem]}.${suffix}`, layout: plain };
  }
  const names = config.family === "gpt2" ? gpt2LayerNames : llamaLayerNames;
  const source = `blk.${layer}.${names[inLayer]}.${kind}`;
  // Only llama's rotary rows are interleaved in GGUF; qwen2 keeps the halves apart.
  if (config.family === "llama" && /q_proj|k_proj/.test(inLayer)) {
    return { source, layout: { kind: "rotary", headSize: config.headSize } };
  }
  const isConv1d = config.family === "gpt2" && kind === "weight" && !inLayer.startsWith("ln_");
  return { source, layout: isConv1d ? transposed : plain };
}

/** The view of a GGUF file under Hugging Face names, for checking shapes and for writing. */
export class GgufAsHuggingFace {
  constructor(
    readonly file: GgufFile,
    readonly config: ModelConfig,
  ) {}

  has(name: string): boolean {
    return this.file.tensors.has(mapTensor(name, this.config).source);
  }

  info(name: string): { shape: readonly number[] } {
    const { tensor, layout } = this.#find(name);
    return { shape: layout.kind === "transposed" ? tensor.shape.toReversed() : tensor.shape };
  }

  outgoing(name: string): OutgoingTensor {
    const { tensor, layout } = this.#find(name);
    const dtype = storedDtype(tensor);
    return { name, dtype, shape: this.info(name).shape, chunks: () => chunks(this.file, tensor, layout) };
  }

  #find(name: string): { tensor: GgufTensor; layout: Layout } {
    const { source, layout } = mapTensor(name, this.config);
    const tensor = this.file.tensors.get(source);
    if (!tensor) throw new UnsupportedModelError(`a GGUF without the tensor ${source}`, "complete models");
    return { tensor, layout };
  }
}

const isStored = (format: GgufTensor["format"]): format is StoredDtype => format in bytesPerElement;
const storedDtype = (tensor: GgufTensor): StoredDtype => (isStored(tensor.format) ? tensor.format : "F16");

/** About this many weights are unpacked at a time. */
const weightsAtOnce = 1 << 21;

function* chunks(file: GgufFile, tensor: GgufTensor, layout: Layout): Generator<Uint8Array> {
  const columns = tensor.shape.length > 1 ? (tensor.shape.at(-1) ?? 1) : 1;
  const rows = tensor.shape.reduce((product, size) => product * size, 1) / columns;
  if (tensor.shape.length <= 1 && layout.kind === "plain")
    return yield unpack(file, tensor, 0, tensor.sizeBytes);
  const rowBytes = tensor.sizeBytes / rows;
  const outRowBytes = columns * bytesPerElement[storedDtype(tensor)];
  const rowsAtOnce = rowGroup(layout, rows, columns);
  for (let row = 0; row < rows; row += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - row);
    const bytes = unpack(file, tensor, row * rowBytes, count * rowBytes);
    if (layout.kind === "rotary") yield separateHalves(bytes, count, outRowBytes);
    else if (layout.kind === "transposed") yield transpose(bytes, count, columns);
    else yield bytes;
  }
}

function rowGroup(layout: Layout, rows: number, columns: number): number {
  if (layout.kind === "rotary") return layout.headSize;
  return layout.kind === "transposed" ? rows : Math.max(1, Math.floor(weightsAtOnce / columns));
}

function unpack(
  file: GgufFile,
  tensor: GgufTensor,
  from: number,
  sizeBytes: number,
): Uint8Array<ArrayBuffer> {
  const packed = file.bytes.read(tensor.offset + from, sizeBytes);
  return isStored(tensor.format) ? packed : toHalves(tensor.name, tensor.format, packed);
}

function toHalves(name: string, format: BlockFormatName, packed: Uint8Array): Uint8Array<ArrayBuffer> {
  const halves = floatsToHalves(dequantise(format, packed));
  if (halves.some((half) => (half & 0x7c00) === 0x7c00)) {
    throw new UnsupportedModelError(
      `tensor ${name} (${format}) with values that are not finite in 16 bits`,
      blockNames,
    );
  }
  return new Uint8Array(halves.buffer, 0);
}
const blockNames = `finite weights in ${Object.keys(blockFormats).join(", ")}`;

/** GGUF row 2i + j of a head is Hugging Face's row j * half + i. */
function separateHalves(bytes: Uint8Array, rows: number, rowBytes: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  const half = rows / 2;
  for (let row = 0; row < rows; row++) {
    const source = 2 * (row % half) + Math.floor(row / half);
    out.set(bytes.subarray(source * rowBytes, (source + 1) * rowBytes), row * rowBytes);
  }
  return out;
}

/** (rows, columns) to (columns, rows), whatever the width of an element. */
function transpose(bytes: Uint8Array<ArrayBuffer>, rows: number, columns: number): Uint8Array {
  const isWide = bytes.length === rows * columns * 4;
  const from = isWide ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
  const to = isWide ? new Uint32Array(from.length) : new Uint16Array(from.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      to[column * rows + row] = from[row * columns + column] ?? 0;
  }
  return new Uint8Array(to.buffer);
}
