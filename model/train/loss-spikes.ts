/** @file When a step's loss is so far above those before it that the step is not to be trusted. */

/** Losses that are kept to compare with. */
const windowSize = 50;
/** Fewer say nothing about what is usual. */
const leastLosses = 20;
/** In nats. Where a task is nearly learned, single batches are many times worse than the median, and that is no spike. */
const leastMedian = 1;

/**
 * A spike is a loss above `factor` times the median of the last 50 applied steps, a median below 1 nat counting as 1;
 * before 20 steps were applied nothing is one.
 * @param recentLosses of the applied steps, newest last, @param factor null: nothing is a spike
 */
export function isSpike(loss: number, recentLosses: readonly number[], factor: number | null): boolean {
  if (factor === null || recentLosses.length < leastLosses) return false;
  return loss > factor * Math.max(leastMedian, median(recentLosses));
}

/** The losses to compare the next step with. */
export function withLoss(recentLosses: readonly number[], loss: number): number[] {
  return [...recentLosses, loss].slice(-windowSize);
}

/** Of an even number the upper of the two in the middle. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
