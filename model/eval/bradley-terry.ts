/**
 * @file The Bradley-Terry model, by the MM algorithm of Hunter 2004 ("MM algorithms for generalized Bradley-Terry models",
 * equation 3): lambda_i <- W_i / sum_j N_ij / (lambda_i + lambda_j).
 */

export class BradleyTerryError extends Error {
  override readonly name = "BradleyTerryError";
}

/** Gradient of the log-likelihood at which the strengths count as found, per comparison. */
const tolerance = 1e-13;
const mostIterations = 1_000_000;

/**
 * Strengths as natural logarithms, their mean 0: i is preferred over j with probability 1 / (1 + exp(s_j - s_i)).
 * Without a prior, one who wins always would have no finite strength. Here each has, beside what was observed, `prior`
 * comparisons with an opponent of strength 1, half of them won, which makes the strengths finite and unique. Ties are half a win for each.
 * @param wins (n, n) how often i was preferred over j, halves allowed
 * @param prior comparisons added to each, above 0. Default 0.1
 * @returns (n)
 * @throws BradleyTerryError when the iteration does not end, as with a prior of almost 0
 */
export function fitBradleyTerry(wins: readonly (readonly number[])[], prior = 0.1): number[] {
  if (!(prior > 0)) throw new BradleyTerryError(`The prior is ${prior}. It must be above 0.`);
  const won = wins.map((row) => row.reduce((sum, count) => sum + count, prior / 2));
  const met = wins.map((row, i) => row.map((count, j) => count + (wins[j]?.[i] ?? 0)));
  const total = won.reduce((sum, count) => sum + count, 0);
  const strengths = wins.map(() => 1);
  for (let iteration = 0; iteration < mostIterations; iteration++) {
    let gradient = 0;
    for (const [i, strength] of strengths.entries()) {
      let rate = prior / (strength + 1);
      for (const [j, other] of strengths.entries()) rate += (met[i]?.[j] ?? 0) / (strength + other);
      gradient = Math.max(gradient, Math.abs((won[i] ?? 0) - strength * rate));
      strengths[i] = (won[i] ?? 0) / rate;
    }
    if (gradient <= tolerance * total) return centred(strengths.map(Math.log));
  }
  throw new BradleyTerryError(
    `Strengths of ${wins.length} did not settle in ${mostIterations} rounds. Raise the prior of ${prior}.`,
  );
}

function centred(scores: readonly number[]): number[] {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  return scores.map((score) => score - mean);
}
