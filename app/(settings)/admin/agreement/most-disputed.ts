/** @file Which two responses of a task its labelers are most divided over. */

type Ranks = Record<string, number>;

/** The pair with the largest minority; of equal ones the first in the order of `ids`. Null below two responses. */
export function mostDisputedPair(
  ids: readonly string[],
  rankings: readonly Ranks[],
): [string, string] | null {
  let found: { pair: [string, string]; minority: number } | null = null;
  for (const [place, a] of ids.entries()) {
    for (const b of ids.slice(place + 1)) {
      const minority = Math.min(countPreferring(a, b, rankings), countPreferring(b, a, rankings));
      if (!found || minority > found.minority) found = { pair: [a, b], minority };
    }
  }
  return found?.pair ?? null;
}

function countPreferring(winner: string, loser: string, rankings: readonly Ranks[]): number {
  return rankings.filter((ranks) => {
    const [ahead, behind] = [ranks[winner], ranks[loser]];
    return ahead !== undefined && behind !== undefined && ahead < behind;
  }).length;
}
