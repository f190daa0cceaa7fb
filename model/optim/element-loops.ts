/**
 * @file The optimizer's arithmetic over flat arrays, in double precision, stored in single.
 *
 * Plain loops, here alone: a graph of the runtime would copy each of its results once more, and for ten operations an
 * element that costs more than computing them (model/LOG.md).
 */

export type AdamWSettings = {
  beta1: number;
  beta2: number;
  /** Added to the root of the second moment. */
  epsilon: number;
};

export type AdamWArrays = {
  parameter: Float32Array;
  gradient: Float32Array;
  m: Float32Array;
  v: Float32Array;
};

/** What differs from step to step and from parameter to parameter. */
export type AdamWStep = {
  /** Counted from 1. */
  step: number;
  lr: number;
  /** Share of the parameter taken off at each step, times lr. */
  weightDecay: number;
  /** Multiplies the gradient first: clipping. */
  gradientScale: number;
};

/**
 * Changes parameter, m and v in place, with decoupled decay (arXiv 1711.05101) and bias correction (arXiv 1412.6980):
 *
 *   g' = gradientScale g,  m' = beta1 m + (1 - beta1) g',  v' = beta2 v + (1 - beta2) g'^2
 *   p' = (1 - lr decay) p - lr (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + epsilon)
 */
export function updateAdamW(
  { parameter, gradient, m, v }: AdamWArrays,
  { step, lr, weightDecay, gradientScale }: AdamWStep,
  { beta1, beta2, epsilon }: AdamWSettings,
): void {
  const keep = 1 - lr * weightDecay;
  const stepSize = lr / (1 - beta1 ** step);
  const inverseRootCorrection = 1 / Math.sqrt(1 - beta2 ** step);
  const [share1, share2] = [1 - beta1, 1 - beta2];
  for (let i = 0; i < parameter.length; i++) {
    const g = (gradient[i] ?? 0) * gradientScale;
    const nextM = beta1 * (m[i] ?? 0) + share1 * g;
    const nextV = beta2 * (v[i] ?? 0) + share2 * g * g;
    m[i] = nextM;
    v[i] = nextV;
    const direction = nextM / (Math.sqrt(nextV) * inverseRootCorrection + epsilon);
    parameter[i] = (parameter[i] ?? 0) * keep - stepSize * direction;
  }
}

/** Sum of squares. Four sums side by side, since each addition would wait for the one before. */
export function sumSquares(x: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = x.length - (x.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += (x[i] ?? 0) ** 2;
    b += (x[i + 1] ?? 0) ** 2;
    c += (x[i + 2] ?? 0) ** 2;
    d += (x[i + 3] ?? 0) ** 2;
  }
  for (let i = whole; i < x.length; i++) a += (x[i] ?? 0) ** 2;
  return a + b + (c + d);
}

/** target += addend */
export function addTo(target: Float32Array, addend: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) + (addend[i] ?? 0);
}
