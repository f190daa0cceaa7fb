/** @file One order out of several rankings of a task: by Bradley-Terry or by ranked pairs. */
import { fitBradleyTerry } from "./bradley-terry";
import { pairsOf, type Ranking } from "./ranking";

/** Dense ranks with ties possible, and what they were told by, higher is better. */
export type Consensus = { ranking: Ranking; scores: ReadonlyMap<string, number> };

/** Scores nearer than this are a tie: far above what the iteration leaves open, far below what a preference moves. */
const tieTolerance = 1e-6;

/**
 * Scores are Bradley-Terry strengths (natural logarithms, mean 0); a tie counts as half a win for each.
 * @param prior see `fitBradleyTerry`
 * @throws BradleyTerryError
 */
export function bradleyTerryConsensus(rankings: readonly Ranking[], prior?: number): Consensus {
  const { ids, wins } = countWins(rankings);
  return consensusOf(ids, fitBradleyTerry(wins, prior));
}

/**
 * Ranked pairs (Tideman 1987, "Independence of clones as a criterion for voting rules"), by margins: majorities are
 * locked in from the strongest on, but for those that would close a circle. Majorities of equal strength are looked at
 * together, and none of them is locked that would lie on a circle with the others, so that no order of names or of
 * labelers decides; where they contradict each other the result is a tie. Scores are the number of responses that one
 * comes out ahead of, over any number of steps, less those ahead of it.
 */
export function rankedPairsConsensus(rankings: readonly Ranking[]): Consensus {
  const { ids, wins } = countWins(rankings);
  const majorities = ids.flatMap((_, winner) =>
    ids.flatMap((_, loser) => {
      const margin = (wins[winner]?.[loser] ?? 0) - (wins[loser]?.[winner] ?? 0);
      return margin > 0 ? [{ winner, loser, margin }] : [];
    }),
  );
  const locked: Edge[] = [];
  for (const margin of [...new Set(majorities.map((each) => each.margin))].toSorted((a, b) => b - a)) {
    const equals = majorities.filter((each) => each.margin === margin);
    const free = withoutCircles(equals, reachability(ids.length, locked));
    locked.push(...withoutCircles(free, reachability(ids.length, [...locked, ...free])));
  }
  const ahead = reachability(ids.length, locked);
  const scores = ids.map((_, i) =>
    ids.reduce((sum, _, j) => sum + Number(ahead[i]?.[j]) - Number(ahead[j]?.[i]), 0),
  );
  return consensusOf(ids, scores);
}

type Edge = { winner: number; loser: number };

function withoutCircles(edges: readonly Edge[], reaches: readonly (readonly boolean[])[]): Edge[] {
  return edges.filter(({ winner, loser }) => !reaches[loser]?.[winner]);
}

/** (n, n) whether j is reached from i along edges (Warshall 1962). */
function reachability(size: number, edges: readonly Edge[]): boolean[][] {
  const reaches = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  const mark = (from: number, to: number) => {
    const row = reaches[from];
    if (row) row[to] = true;
  };
  for (const { winner, loser } of edges) mark(winner, loser);
  for (let through = 0; through < size; through++) {
    for (let from = 0; from < size; from++) {
      if (!reaches[from]?.[through]) continue;
      for (let to = 0; to < size; to++) if (reaches[through]?.[to]) mark(from, to);
    }
  }
  return reaches;
}

/** wins (n, n): how many rankings prefer i over j, a tie counting half for each. */
function countWins(rankings: readonly Ranking[]): { ids: string[]; wins: number[][] } {
  const ids = [...new Set(rankings.flatMap((ranking) => [...ranking.keys()]))];
  const place = new Map(ids.map((id, index) => [id, index]));
  const wins = ids.map(() => ids.map(() => 0));
  const add = (winner: string, loser: string, count: number) => {
    const [row, column] = [wins[place.get(winner) ?? 0], place.get(loser) ?? 0];
    if (row) row[column] = (row[column] ?? 0) + count;
  };
  for (const { comparisons, ties } of rankings.map(pairsOf)) {
    for (const { chosen, rejected } of comparisons) add(chosen, rejected, 1);
    for (const [a, b] of ties) {
      add(a, b, 0.5);
      add(b, a, 0.5);
    }
  }
  return { ids, wins };
}

function consensusOf(ids: readonly string[], scores: readonly number[]): Consensus {
  const scored = ids.map((id, place) => ({ id, score: scores[place] ?? 0 }));
  const ranks = new Map<string, number>();
  let rank = 0;
  let last = Number.POSITIVE_INFINITY;
  for (const { id, score } of scored.toSorted((a, b) => b.score - a.score)) {
    if (last - score > tieTolerance) rank++;
    last = score;
    ranks.set(id, rank);
  }
  const inSequence = new Map(ids.map((id) => [id, ranks.get(id) ?? 0]));
  return { ranking: inSequence, scores: new Map(scored.map(({ id, score }) => [id, score])) };
}
