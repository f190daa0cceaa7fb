/** @file Quantiles of Student's t for whole degrees of freedom: what a spread that was itself estimated from few adds to an interval. */
import { normalQuantile } from "./normal-distribution";

/** From here on it is the normal distribution, to a thousandth of an interval's width. */
const manyDegrees = 1500;
/** By level and degrees: figures that are looked at after every judgment ask for the same ones again and again. */
const known = new Map<string, number>();

/**
 * P(|T| <= t), t >= 0, by the finite series of Abramowitz & Stegun 26.7.3 (odd degrees) and 26.7.4 (even ones), with
 * theta = atan(t / sqrt(degrees)).
 */
function centralShare(t: number, degrees: number): number {
  const theta = Math.atan(t / Math.sqrt(degrees));
  const cosSquared = Math.cos(theta) ** 2;
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? Math.cos(theta) : 1;
  let sum = degrees > 1 ? term : 0;
  for (let i = isOdd ? 3 : 2; i < degrees; i += 2) {
    term *= ((i - 1) / i) * cosSquared;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
}

/**
 * The t >= 0 with P(|T| <= t) = level, by halving.
 * @param level above 0 and below 1 @param degrees at least 1; rounded down
 */
export function studentTBound(level: number, degrees: number): number {
  const whole = Math.floor(degrees);
  if (whole >= manyDegrees) return normalQuantile((1 + level) / 2);
  const key = `${level} ${whole}`;
  const bound = known.get(key) ?? findBound(level, whole);
  known.set(key, bound);
  return bound;
}

function findBound(level: number, whole: number): number {
  let [low, high] = [0, 1];
  while (centralShare(high, whole) < level) high *= 2;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (centralShare(middle, whole) < level) low = middle;
    else high = middle;
  }
  return high;
}
