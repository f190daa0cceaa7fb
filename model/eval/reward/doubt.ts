/** @file How little a reward model can tell the responses to a prompt apart: where people's rankings teach it most. */
import { sigmoid } from "./calibration";
import { marginDeviation, orderDoubt } from "./member-spread";

/** deviation: how far the members of an ensemble differ about the order · margin: how narrow the margins are. */
export const doubtKinds = ["deviation", "margin"] as const;
export type DoubtKind = (typeof doubtKinds)[number];

type Scored = { score: number; memberScores: readonly number[] | null };

const doubtOfPair: Record<DoubtKind, (a: Scored, b: Scored) => number> = {
  /** 0 of a model with one head: nobody differs. */
  deviation: (a, b) =>
    a.memberScores && b.memberScores
      ? orderDoubt(a.score - b.score, marginDeviation(a.memberScores, b.memberScores))
      : 0,
  /** The probability, by the model itself, that it has the pair wrong: a half where it sees no difference. */
  margin: (a, b) => sigmoid(-Math.abs(a.score - b.score)),
};

/** Mean over all pairs of the responses, higher where they are told apart less; 0 of fewer than two. */
export function doubtOf(responses: readonly Scored[], by: DoubtKind): number {
  let sum = 0;
  let pairs = 0;
  for (const [at, response] of responses.entries()) {
    for (const other of responses.slice(at + 1)) {
      sum += doubtOfPair[by](response, other);
      pairs++;
    }
  }
  return pairs === 0 ? 0 : sum / pairs;
}
