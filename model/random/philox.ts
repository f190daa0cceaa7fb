/**
 * @file Philox4x32-10, the counter-based random numbers of everything that must be reproducible: a draw depends on its
 * key and counter alone, never on what was drawn before. Matches Random123 (Salmon et al. 2011, "Parallel random numbers:
 * as easy as 1, 2, 3"), version 1.09.
 */

export type Counter = readonly [stream: number, step: number, sample: number, position: number];
type Words = [number, number, number, number];

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;
const rounds = 10;

/**
 * Four uniform 32-bit words.
 * @param seed an integer in [0, 2^53): its low 32 bits are the first key word, the rest the second
 * @param counter each taken modulo 2^32
 */
export function philox(seed: number, counter: Counter): Words {
  return philoxBlock(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, counter);
}

/** The bare bijection, by both words of the key. */
export function philoxBlock(key0: number, key1: number, counter: Counter): Words {
  let [a, b, c, d] = counter;
  let [k0, k1] = [key0, key1];
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplier0, a);
    const high1 = multiplyHigh(multiplier1, c);
    const low0 = Math.imul(multiplier0, a);
    const low1 = Math.imul(multiplier1, c);
    [a, b, c, d] = [high1 ^ b ^ k0, low1, high0 ^ d ^ k1, low0];
    k0 = (k0 + weyl0) | 0;
    k1 = (k1 + weyl1) | 0;
  }
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
}

/** A double in [0, 1) with 53 random bits, from the first two words: (a >> 5) * 2^26 + (b >> 6), over 2^53. */
export function uniform(seed: number, counter: Counter): number {
  const [a, b] = philox(seed, counter);
  return ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
}

/** Upper 32 bits of the product of two unsigned 32-bit integers, by 16-bit halves: doubles hold 53 bits only. */
function multiplyHigh(x: number, y: number): number {
  const xLow = x & 0xffff;
  const xHigh = x >>> 16;
  const yLow = y & 0xffff;
  const yHigh = y >>> 16;
  const middle = xHigh * yLow + ((xLow * yLow) >>> 16);
  const carry = xLow * yHigh + (middle % 2 ** 16);
  return (xHigh * yHigh + Math.floor(middle / 2 ** 16) + Math.floor(carry / 2 ** 16)) | 0;
}
