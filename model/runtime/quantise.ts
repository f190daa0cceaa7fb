/**
 * @file Block-quantised weights in the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized: each row is cut into
 * blocks of consecutive inputs, each block has one scale and no zero point of its own.
 */

export type Bits = 4 | 8;

export type QuantisedMatrix = {
  bits: Bits;
  blockSize: number;
  /** Rows, N. */
  rows: number;
  /** Inputs per row, K. */
  columns: number;
  /** (N, ceil(K / blockSize), blockSize * bits / 8). A byte holds two 4-bit values, the earlier in its low half. */
  data: Uint8Array;
  /** (N, ceil(K / blockSize)). */
  scales: Float32Array;
};

/** What stands for 0: MatMulNBits' zero point when none is given, 2^(bits - 1). */
const zeroPoint = { 4: 8, 8: 128 } as const;
const largest = { 4: 15, 8: 255 } as const;

/**
 * Rounds a matrix (N, K), row by row. 8 bits: scale = max|w| / 127, symmetric. 4 bits: the entry of largest magnitude is
 * met exactly by -8 (llama.cpp's Q4_0), which uses all sixteen values.
 * @throws {RangeError} when the sizes do not fit or a weight is not finite
 */
export function quantise(
  weights: Float32Array,
  { rows, columns, bits, blockSize }: Pick<QuantisedMatrix, "rows" | "columns" | "bits" | "blockSize">,
): QuantisedMatrix {
  if (weights.length !== rows * columns)
    throw new RangeError(`quantise: ${weights.length} weights are no (${rows}, ${columns}) matrix`);
  if (blockSize < 16 || (blockSize & (blockSize - 1)) !== 0)
    throw new RangeError(`quantise: block size ${blockSize} is no power of two from 16`);
  const blocks = Math.ceil(columns / blockSize);
  const blockBytes = (blockSize * bits) / 8;
  const matrix: QuantisedMatrix = {
    bits,
    blockSize,
    rows,
    columns,
    data: new Uint8Array(rows * blocks * blockBytes),
    scales: new Float32Array(rows * blocks),
  };
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * columns + block * blockSize;
      const to = Math.min(from + blockSize, (row + 1) * columns);
      const index = row * blocks + block;
      const scale = Math.fround(blockScale(weights, from, to, bits));
      if (!Number.isFinite(scale))
        throw new RangeError(`quantise: row ${row} holds a weight that is not finite`);
      matrix.scales[index] = scale;
      writeBlock(matrix, index * blockBytes, weights.subarray(from, to), scale);
    }
  }
  return matrix;
}

/** The values that stand in the matrix, (N, K). */
export function dequantise({ rows, columns, bits, blockSize, data, scales }: QuantisedMatrix): Float32Array {
  const blocks = Math.ceil(columns / blockSize);
  const weights = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const block = row * blocks + Math.floor(column / blockSize);
      const at = block * blockSize + (column % blockSize);
      const value = bits === 8 ? (data[at] as number) : ((data[at >> 1] as number) >> (at & 1 ? 4 : 0)) & 0xf;
      weights[row * columns + column] = (value - zeroPoint[bits]) * (scales[block] as number);
    }
  }
  return weights;
}

function blockScale(weights: Float32Array, from: number, to: number, bits: Bits): number {
  let extreme = 0;
  for (let i = from; i < to; i++) {
    const weight = weights[i] as number;
    if (!(Math.abs(weight) <= Math.abs(extreme))) extreme = weight; // also true of NaN
  }
  return bits === 8 ? Math.abs(extreme) / 127 : extreme / -8;
}

/** Columns beyond the last are 0. */
function writeBlock(
  { bits, blockSize, data }: QuantisedMatrix,
  at: number,
  weights: Float32Array,
  scale: number,
) {
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = 0; i < blockSize; i++) {
    const rounded = Math.round((weights[i] ?? 0) * inverse) + zeroPoint[bits];
    const value = Math.min(largest[bits], Math.max(0, rounded));
    if (bits === 8) data[at + i] = value;
    else data[at + (i >> 1)] = (data[at + (i >> 1)] as number) | (value << (i & 1 ? 4 : 0));
  }
}
