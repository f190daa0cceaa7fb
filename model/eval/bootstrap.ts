/** @file Bootstrap intervals that resample whole units (labelers, prompts, users), never what a unit said one by one. */
import { randomStreams } from "../random/permutation";
import { uniform } from "../random/philox";
import { normalCdf, normalQuantile } from "./normal-distribution";

export type Interval = { low: number; high: number; level: number };

export type BootstrapOptions = {
  /** Key of the draws: the same seed gives the same interval. */
  seed: number;
  /** Share of intervals that are to hold the truth. Default 0.95. */
  level?: number;
  /** Default 2000. */
  resamples?: number;
};

/** Fewer units say too little about how units differ: such an interval would be too narrow to believe. */
export const fewestUnits = 5;

/**
 * A statistic of weighted units: `weights[i]` says how many times unit i was drawn.
 * @returns null where it is undefined, as when no drawn unit has any data
 */
export type WeightedStatistic = (weights: ArrayLike<number>) => number | null;

/**
 * The BCa interval (bias-corrected and accelerated) of a statistic over n units. Place i of resample r is unit
 * floor(n * uniform(seed, [bootstrap, r, i, 0])). Resamples where the statistic is undefined are left out.
 * @returns null below `fewestUnits` units, where the statistic is undefined, or where most resamples leave it so
 */
export function bootstrapInterval(
  units: number,
  statistic: WeightedStatistic,
  { seed, level = 0.95, resamples = 2000 }: BootstrapOptions,
): Interval | null {
  const estimate = statistic(new Uint32Array(units).fill(1));
  if (units < fewestUnits || estimate === null) return null;
  const replicates = Array.from({ length: resamples }, (_, r) => statistic(drawWeights(seed, r, units)));
  const leaveOneOut = Array.from({ length: units }, (_, left) =>
    statistic(new Uint32Array(units).fill(1).fill(0, left, left + 1)),
  );
  const defined = replicates.filter((each) => each !== null);
  if (defined.length < resamples / 2) return null;
  const jackknife = leaveOneOut.filter((each) => each !== null);
  return bcaInterval({ estimate, replicates: defined, jackknife, level });
}

/**
 * How often each unit is drawn.
 * @param position of the counter: draws for another purpose have another one
 */
export function drawWeights(seed: number, resample: number, units: number, position = 0): Uint32Array {
  const weights = new Uint32Array(units);
  for (let place = 0; place < units; place++) {
    const drawn = Math.floor(uniform(seed, [randomStreams.bootstrap, resample, place, position]) * units);
    weights[drawn] = (weights[drawn] ?? 0) + 1;
  }
  return weights;
}

/**
 * Efron 1987, "Better Bootstrap Confidence Intervals"; Efron & Tibshirani 1993, equations 14.9 to 14.15:
 *   z0 = Phi^-1(share of replicates below the estimate, equal ones counting half)
 *   a = sum (m - j)^3 / (6 (sum (m - j)^2)^1.5), j the statistic without one unit, m their mean
 *   ends at the quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))), z = Phi^-1 of (1 -+ level) / 2
 * with quantiles by linear interpolation, as scipy.stats.bootstrap(method="BCa") has it. Where all replicates lie on one
 * side of the estimate the correction is infinite; the percentile interval is taken there, stretched to the estimate.
 */
export function bcaInterval({
  estimate,
  replicates,
  jackknife,
  level,
}: {
  estimate: number;
  replicates: readonly number[];
  jackknife: readonly number[];
  level: number;
}): Interval {
  const sorted = replicates.toSorted((a, b) => a - b);
  const z0 = normalQuantile(shareBelow(sorted, estimate));
  const a = acceleration(jackknife);
  const end = (probability: number) => {
    if (!Number.isFinite(z0)) return quantileOf(sorted, probability);
    const z = z0 + normalQuantile(probability);
    return quantileOf(sorted, normalCdf(z0 + z / (1 - a * z)));
  };
  const [low, high] = [end((1 - level) / 2), end((1 + level) / 2)];
  return Number.isFinite(z0)
    ? { low, high, level }
    : { low: Math.min(low, estimate), high: Math.max(high, estimate), level };
}

function shareBelow(values: readonly number[], estimate: number): number {
  const halves = values.reduce((sum, value) => sum + Number(value < estimate) + Number(value <= estimate), 0);
  return halves / (2 * values.length);
}

function acceleration(jackknife: readonly number[]): number {
  const mean = jackknife.reduce((sum, value) => sum + value, 0) / jackknife.length;
  const moment = (power: number) => jackknife.reduce((sum, value) => sum + (mean - value) ** power, 0);
  const scale = 6 * moment(2) ** 1.5;
  return scale === 0 ? 0 : moment(3) / scale;
}

/** By linear interpolation between order statistics, as numpy.quantile does by default. */
export function quantileOf(sorted: readonly number[], probability: number): number {
  const at = probability * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (above - below) * (at - Math.floor(at));
}
