/** @file IEEE half and bfloat16 to and from float32, in bulk; rounds to nearest even as NumPy and PyTorch do. */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

let halfTable: Float32Array | undefined;

/** Every half as a float: 65,536 of them, built on first use. */
export function halfValues(): Float32Array {
  if (halfTable) return halfTable;
  const table = new Float32Array(65_536);
  for (let half = 0; half < 65_536; half++) {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 31) table[half] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else table[half] = sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
  }
  halfTable = table;
  return table;
}

export function halvesToFloats(halves: Uint16Array): Float32Array {
  const table = halfValues();
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) floats[i] = table[halves[i] ?? 0] ?? 0;
  return floats;
}

/** Values beyond ±65,504 become infinities, as the format demands; callers that care look for them. */
export function floatsToHalves(floats: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude >= 0x47800000) {
      // 65,536 and above, infinities, NaN (kept quiet).
      halves[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
    } else if (magnitude < 0x38800000) {
      // Below 2^-14: adding 0.5 lets the FPU round to the 2^-24 grid.
      bits[0] = magnitude;
      float[0] = (float[0] ?? 0) + 0.5;
      halves[i] = sign | ((bits[0] ?? 0) - 0x3f000000);
    } else {
      const isOdd = (magnitude >>> 13) & 1;
      halves[i] = sign | ((magnitude - 0x38000000 + 0xfff + isOdd) >>> 13);
    }
  }
  return halves;
}

export function brainFloatsToFloats(brainFloats: Uint16Array): Float32Array {
  const floats = new Float32Array(brainFloats.length);
  const words = new Uint32Array(floats.buffer);
  for (let i = 0; i < words.length; i++) words[i] = (brainFloats[i] ?? 0) << 16;
  return floats;
}
