/** @file Ranks that were chosen one by one, as tiers. */

/** Best first; null until every response has a rank. */
export function toTiers(ids: readonly string[], ranks: Readonly<Record<string, number>>): string[][] | null {
  if (ids.some((id) => !ranks[id])) return null;
  const used = [...new Set(ids.map((id) => ranks[id] ?? 0))].sort((a, b) => a - b);
  return used.map((rank) => ids.filter((id) => ranks[id] === rank));
}
