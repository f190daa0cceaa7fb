/** @file The standard normal distribution and its inverse, to double precision. */

/** Beyond these the distribution is 0 or 1 to double precision. */
const limit = 9;

/**
 * P(Z <= x) = 1/2 + phi(x) (x + x^3 / 3 + x^5 / (3 * 5) + …), absolute error below 1e-15 (Marsaglia 2004, "Evaluating the
 * Normal Distribution").
 */
export function normalCdf(x: number): number {
  if (x <= -limit) return 0;
  if (x >= limit) return 1;
  let sum = x;
  let term = x;
  for (let i = 3; sum + term !== sum; i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-(x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

/** The x with P(Z <= x) = p, by halving; -Infinity and Infinity for 0 and 1. */
export function normalQuantile(p: number): number {
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p >= 1) return Number.POSITIVE_INFINITY;
  let low = -limit;
  let high = limit;
  for (let step = 0; step < 64; step++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
