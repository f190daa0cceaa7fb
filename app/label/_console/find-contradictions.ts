/** @file Where a ranking contradicts its own ratings: a response placed above another that was rated higher. */
import type { Rating } from "@/server/domain/labeling/task-schema";
import type { Tiers } from "./board";

export type Contradiction = {
  aboveId: string;
  belowId: string;
  aboveOverall: number;
  belowOverall: number;
};

/** Widest first. A tie contradicts nothing, nor does what was not rated. */
export function findContradictions(
  tiers: Tiers,
  ratings: Readonly<Record<string, Pick<Rating, "overall">>>,
): Contradiction[] {
  const rated = tiers.flatMap((tier, rank) =>
    tier.flatMap((id) => {
      const overall = ratings[id]?.overall ?? null;
      return overall === null ? [] : [{ id, rank, overall }];
    }),
  );
  return rated
    .flatMap((above) =>
      rated
        .filter((below) => below.rank > above.rank && below.overall > above.overall)
        .map((below) => ({
          aboveId: above.id,
          belowId: below.id,
          aboveOverall: above.overall,
          belowOverall: below.overall,
        })),
    )
    .toSorted((a, b) => b.belowOverall - b.aboveOverall - (a.belowOverall - a.aboveOverall));
}
