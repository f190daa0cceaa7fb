/** @file Best of n: what a policy that answers n times and keeps what scores highest would be worth, without any training. */

/** A response to a prompt: what it is chosen by, and what it is worth once chosen. */
export type Candidate = { score: number; value: number };

/** Mean over prompts; each is unbiased over all ways to draw n of its candidates (arXiv 2210.10760, appendix I). */
export function bestOfN(prompts: readonly (readonly Candidate[])[], n: number): number {
  const expected = prompts.map((candidates) => {
    const ordered = candidates.toSorted((a, b) => a.score - b.score);
    return ordered.reduce((sum, { value }, rank) => sum + value * chanceToBeBest(rank, n, ordered.length), 0);
  });
  return expected.reduce((sum, value) => sum + value, 0) / expected.length;
}

/** That the candidate with so many worse ones is the best of n drawn without replacement: C(rank, n - 1) / C(count, n). */
function chanceToBeBest(rank: number, n: number, count: number): number {
  if (rank < n - 1) return 0;
  let chance = n / count;
  for (let i = 0; i < n - 1; i++) chance *= (rank - i) / (count - 1 - i);
  return chance;
}

/** Nats a response from the policy that was asked, at most: log n - (n - 1) / n. */
export const bestOfNKl = (n: number): number => Math.log(n) - (n - 1) / n;

/** 1, 2, 4, … as far as so many candidates go. */
export function bestOfSizes(count: number): number[] {
  return Array.from({ length: Math.floor(Math.log2(Math.max(1, count))) + 1 }, (_, power) => 2 ** power);
}
