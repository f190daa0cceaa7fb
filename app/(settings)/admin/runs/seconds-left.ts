/** @file How long a run still takes, by the speed it has now. */

/** The steps to come, as large as those so far, at the newest speed; null where the newest step does not tell both. */
export function estimateSecondsLeft(
  { step, values }: { step: number; values: Record<string, number | null> },
  totalSteps: number,
): number | null {
  const { tokensSeen, tokensPerSecond } = values;
  if (!tokensSeen || !tokensPerSecond || step === 0) return null;
  return ((totalSteps - step) * (tokensSeen / step)) / tokensPerSecond;
}
