/** @file An order with ties, as a labeler builds it: tiers of response ids, best first. Pure: every change is a new board. */

/** Best first; ids of one tier are tied. No tier is empty, no id stands twice. */
export type Tiers = readonly (readonly string[])[];
export type Choice = "better" | "tie" | "worse";

/** From 1, or null where it is not placed. */
export function rankOf(tiers: Tiers, id: string): number | null {
  const index = tiers.findIndex((tier) => tier.includes(id));
  return index === -1 ? null : index + 1;
}

export function unplacedOf(order: readonly string[], tiers: Tiers): string[] {
  return order.filter((id) => rankOf(tiers, id) === null);
}

/** Those tied with it, without itself. */
export function tiedWith(tiers: Tiers, id: string): string[] {
  return tiers.find((tier) => tier.includes(id))?.filter((other) => other !== id) ?? [];
}

export function unplace(tiers: Tiers, id: string): Tiers {
  return tiers.map((tier) => tier.filter((other) => other !== id)).filter((tier) => tier.length > 0);
}

/** Alone at `rank`; who stood there and below moves down by one. A rank beyond the end is the one after the last. */
export function placeAt(tiers: Tiers, id: string, rank: number): Tiers {
  const others = unplace(tiers, id);
  return others.toSpliced(Math.min(Math.max(rank, 1) - 1, others.length), 0, [id]);
}

/** At the rank of `otherId`, which must be placed. */
export function tieWith(tiers: Tiers, id: string, otherId: string): Tiers {
  if (id === otherId) return tiers;
  return unplace(tiers, id).map((tier) => (tier.includes(otherId) ? [...tier, id] : tier));
}

/** At `rank` as the board shows it now; one that does not exist yet is the one after the last. */
export function joinRank(tiers: Tiers, id: string, rank: number): Tiers {
  const other = tiers[rank - 1]?.find((one) => one !== id);
  if (other) return tieWith(tiers, id, other);
  return tiers[rank - 1] ? tiers : placeAt(tiers, id, rank);
}

/** The first one has none above it and stays; one that is not placed joins the last rank. */
export function tieWithAbove(tiers: Tiers, id: string): Tiers {
  const rank = rankOf(tiers, id) ?? tiers.length + 1;
  return rank === 1 ? tiers : joinRank(tiers, id, rank - 1);
}

/** Out of a tie first, then past the neighbours, one rank at a time. `by`: -1 is better, 1 is worse. */
export function nudge(tiers: Tiers, id: string, by: -1 | 1): Tiers {
  const rank = rankOf(tiers, id);
  if (rank === null) return tiers;
  if (tiedWith(tiers, id).length > 0) return placeAt(tiers, id, by === -1 ? rank : rank + 1);
  const target = rank + by;
  return target < 1 || target > tiers.length ? tiers : placeAt(tiers, id, target);
}

/** What a side-by-side choice says: `id` is better than, tied with or worse than `otherId`. Moves the one it is about. */
export function putBeside(tiers: Tiers, { id, otherId, choice }: Verdict): Tiers {
  const otherRank = rankOf(tiers, otherId);
  if (otherRank === null) {
    if (rankOf(tiers, id) === null)
      return putBeside(placeAt(tiers, otherId, tiers.length + 1), { id, otherId, choice });
    return putBeside(tiers, { id: otherId, otherId: id, choice: opposite[choice] });
  }
  if (choice === "tie") return tieWith(tiers, id, otherId);
  const others = unplace(tiers, id);
  const rank = rankOf(others, otherId) ?? 1;
  return placeAt(others, id, choice === "better" ? rank : rank + 1);
}

export type Verdict = { id: string; otherId: string; choice: Choice };

const opposite: Record<Choice, Choice> = { better: "worse", tie: "tie", worse: "better" };

/** Whether two boards say the same. The order within a tie says nothing. */
export function areSame(a: Tiers, b: Tiers): boolean {
  const written = (tiers: Tiers) => JSON.stringify(tiers.map((tier) => tier.toSorted()));
  return written(a) === written(b);
}
