/** @file How the learning rate goes over a run, as a share of its peak. */

export type Schedule = {
  shape: "constant" | "cosine";
  /** Steps of linear rise from 0; step 0 already has 1 / warmupSteps of the peak. */
  warmupSteps: number;
  /** Where cosine ends, as a share of the peak: 0.1 in InstructGPT (arXiv 2203.02155). */
  finalShare: number;
};

/**
 * The learning rate's share of its peak at a step, in (0, 1].
 * @param step counted from 0; beyond `totalSteps` the final share holds.
 */
export function learningRateShare(schedule: Schedule, step: number, totalSteps: number): number {
  const { shape, warmupSteps, finalShare } = schedule;
  if (step < warmupSteps) return (step + 1) / warmupSteps;
  if (shape === "constant") return 1;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
