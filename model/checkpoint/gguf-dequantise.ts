/**
 * @file The block formats of GGUF, to float32. Bit-exact with the `gguf` Python package (a fixture shows it).
 * Formats: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
import { halfValues } from "./half-floats";

type BlockFormat = {
  /** Weights in one block. */
  weights: number;
  blockBytes: number;
  /** Writes one block's weights at `to`. `at` is the block's first byte. */
  decode(bytes: Uint8Array, at: number, out: Float32Array, to: number): void;
};

/** By GGML's type number. F32, F16 and BF16 are no block formats and are kept as they are. */
export const blockFormats = {
  Q4_0: { weights: 32, blockBytes: 18, decode: decodeQ4_0 },
  Q4_1: { weights: 32, blockBytes: 20, decode: decodeQ4_1 },
  Q5_0: { weights: 32, blockBytes: 22, decode: decodeQ5_0 },
  Q5_1: { weights: 32, blockBytes: 24, decode: decodeQ5_1 },
  Q8_0: { weights: 32, blockBytes: 34, decode: decodeQ8_0 },
  Q4_K: { weights: 256, blockBytes: 144, decode: decodeQ4K },
  Q5_K: { weights: 256, blockBytes: 176, decode: decodeQ5K },
  Q6_K: { weights: 256, blockBytes: 210, decode: decodeQ6K },
} as const satisfies Record<string, BlockFormat>;

export type BlockFormatName = keyof typeof blockFormats;

/** `bytes` holds whole blocks. */
export function dequantise(name: BlockFormatName, bytes: Uint8Array): Float32Array {
  const { weights, blockBytes, decode }: BlockFormat = blockFormats[name];
  const blocks = bytes.length / blockBytes;
  if (!Number.isInteger(blocks))
    throw new Error(`${bytes.length} bytes are no whole ${name} blocks of ${blockBytes}.`);
  const out = new Float32Array(blocks * weights);
  for (let block = 0; block < blocks; block++) decode(bytes, block * blockBytes, out, block * weights);
  return out;
}

// Reads past the end cannot happen: dequantise hands out whole blocks only.
const u8 = (bytes: Uint8Array, at: number) => bytes[at] ?? 0;
const i8 = (bytes: Uint8Array, at: number) => (u8(bytes, at) << 24) >> 24;
const half = (bytes: Uint8Array, at: number) => halfValues()[u8(bytes, at) | (u8(bytes, at + 1) << 8)] ?? 0;

// w = d (q - 8); low nibbles are the first 16 weights, high nibbles the last 16.
function decodeQ4_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at);
  for (let i = 0; i < 16; i++) {
    const pair = u8(bytes, at + 2 + i);
    out[to + i] = d * ((pair & 15) - 8);
    out[to + 16 + i] = d * ((pair >> 4) - 8);
  }
}

// w = d q + m
function decodeQ4_1(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at);
  const m = half(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = u8(bytes, at + 4 + i);
    out[to + i] = d * (pair & 15) + m;
    out[to + 16 + i] = d * (pair >> 4) + m;
  }
}

// As Q4_0 with a fifth bit per weight in 32 bits of their own: w = d (q - 16)
function decodeQ5_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at);
  for (let i = 0; i < 16; i++) {
    const pair = u8(bytes, at + 6 + i);
    out[to + i] = d * (((pair & 15) | (fifthBit(bytes, at + 2, i) << 4)) - 16);
    out[to + 16 + i] = d * (((pair >> 4) | (fifthBit(bytes, at + 2, i + 16) << 4)) - 16);
  }
}

// w = d q + m
function decodeQ5_1(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at);
  const m = half(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = u8(bytes, at + 8 + i);
    out[to + i] = d * ((pair & 15) | (fifthBit(bytes, at + 4, i) << 4)) + m;
    out[to + 16 + i] = d * ((pair >> 4) | (fifthBit(bytes, at + 4, i + 16) << 4)) + m;
  }
}

const fifthBit = (bytes: Uint8Array, at: number, i: number) => (u8(bytes, at + (i >> 3)) >> (i & 7)) & 1;

// w = d q
function decodeQ8_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at);
  for (let i = 0; i < 32; i++) out[to + i] = d * i8(bytes, at + 2 + i);
}

/** Eight 6-bit scales and eight 6-bit minimums in 12 bytes; group 0..7. */
function scaleOf(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return u8(bytes, at + group) & 63;
  return (u8(bytes, at + group + 4) & 15) | ((u8(bytes, at + group - 4) >> 2) & 0x30);
}
function minimumOf(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return u8(bytes, at + group + 4) & 63;
  return (u8(bytes, at + group + 4) >> 4) | ((u8(bytes, at + group) >> 2) & 0x30);
}

// w = d scale q - dmin min, groups of 32; each run of 32 bytes holds two groups, low nibbles first.
function decodeQ4K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at);
  const dmin = half(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = d * scaleOf(bytes, at + 4, group);
    const minimum = dmin * minimumOf(bytes, at + 4, group);
    const run = at + 16 + (group >> 1) * 32;
    const shift = (group & 1) * 4;
    for (let i = 0; i < 32; i++)
      out[to + group * 32 + i] = scale * ((u8(bytes, run + i) >> shift) & 15) - minimum;
  }
}

// As Q4_K, with a fifth bit: bit `group` of 32 bytes.
function decodeQ5K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at);
  const dmin = half(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = d * scaleOf(bytes, at + 4, group);
    const minimum = dmin * minimumOf(bytes, at + 4, group);
    const run = at + 48 + (group >> 1) * 32;
    const shift = (group & 1) * 4;
    for (let i = 0; i < 32; i++) {
      const high = (u8(bytes, at + 16 + i) >> group) & 1;
      out[to + group * 32 + i] = scale * (((u8(bytes, run + i) >> shift) & 15) | (high << 4)) - minimum;
    }
  }
}

// w = d scale (q - 32): 4 low bits in ql, 2 high bits in qh, a signed scale per 16 weights.
function decodeQ6K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = half(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const part = i >> 7; // two halves of 128 weights: 64 bytes of ql, 32 of qh each
    const inPart = i & 127;
    const low = (u8(bytes, at + part * 64 + (inPart & 63)) >> (inPart < 64 ? 0 : 4)) & 15;
    const high = (u8(bytes, at + 128 + part * 32 + (inPart & 31)) >> ((inPart >> 5) * 2)) & 3;
    const scale = d * i8(bytes, at + 192 + (i >> 4));
    out[to + i] = scale * ((low | (high << 4)) - 32);
  }
}
