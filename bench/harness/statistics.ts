/** @file Medians and percentiles of measurements, rounded to what they can tell. */

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** By linear interpolation between the two nearest ranks. @param share 0..1 */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error("There is nothing to take a percentile of.");
  const sorted = [...values].sort((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return Number((below + (above - below) * (position % 1)).toFixed(1));
}
