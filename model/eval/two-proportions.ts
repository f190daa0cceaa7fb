/** @file Whether one share is above another, by a test that may be looked at after every observation. */
import { lnBeta } from "./ln-gamma";

/** `hits` of `n` observations. */
export type Count = { hits: number; n: number };

/**
 * The e-value against "the first share is at most the second plus `margin`": how many times better a mixture over both
 * shares foretold the counts than the best pair of shares that the hypothesis allows.
 *
 *   E = prod over arms of B(h + 1/2, n - h + 1/2) / B(1/2, 1/2)  /  max over p <= q + margin of prod p^h (1 - p)^(n - h)
 *
 * For every allowed pair the mixture over its likelihood is a martingale from 1 whatever the order of arrivals (Robbins 1970),
 * and E is below it; so by Ville's inequality P(E ever reaches 1 / alpha) <= alpha however often one looks (Wasserman, Ramdas
 * and Balakrishnan 2020, "Universal inference", section 8). The prior is Jeffreys'.
 * @param margin 0..1
 */
export function eValueAbove(first: Count, second: Count, margin = 0): number {
  if (first.n === 0 || second.n === 0) return 0;
  return Math.exp(lnMixture(first) + lnMixture(second) - lnBestAllowed(first, second, margin));
}

const lnMixture = ({ hits, n }: Count) => lnBeta(hits + 0.5, n - hits + 0.5) - lnBeta(0.5, 0.5);

function lnBestAllowed(first: Count, second: Count, margin: number): number {
  const [p, q] = [first.hits / first.n, second.hits / second.n];
  if (p <= q + margin) return lnLikelihood(first, p) + lnLikelihood(second, q);
  // The best is then on the edge p = q + margin, where the likelihood has one peak.
  const onEdge = (share: number) => lnLikelihood(first, share + margin) + lnLikelihood(second, share);
  let low = 0;
  let high = 1 - margin;
  for (let step = 0; step < 50; step++) {
    const third = (high - low) / 3;
    if (onEdge(low + third) < onEdge(high - third)) low += third;
    else high -= third;
  }
  return onEdge((low + high) / 2);
}

/** 0 ln 0 is 0 here: what never happened says nothing against a share of 0. */
function lnLikelihood({ hits, n }: Count, share: number): number {
  const hit = hits === 0 ? 0 : hits * Math.log(share);
  const miss = n === hits ? 0 : (n - hits) * Math.log(1 - share);
  return hit + miss;
}
