/** @file Which words stand in only one of two texts, as spans of each. */
import { diffWordsWithSpace } from "diff";

/** Characters `start`…`end` (end not included). */
export type Span = { start: number; end: number };

export type WordDifferences = {
  left: Span[];
  right: Span[];
  /** Share of the longer text's characters that both have, 0…1. */
  likeness: number;
};

/** Two texts with more changes than this have so little in common that marking it would mark everything. */
const mostChanges = 1_500;

/** Null where the texts differ so much that spans say nothing. */
export function wordDifferences(left: string, right: string): WordDifferences | null {
  const changes = diffWordsWithSpace(left, right, { maxEditLength: mostChanges });
  if (!changes) return null;
  const spans: Omit<WordDifferences, "likeness"> = { left: [], right: [] };
  const at = { left: 0, right: 0 };
  let shared = 0;
  for (const { value, added, removed } of changes) {
    if (removed) addSpan(spans.left, at.left, value);
    if (added) addSpan(spans.right, at.right, value);
    if (!removed && !added) shared += value.length;
    if (!added) at.left += value.length;
    if (!removed) at.right += value.length;
  }
  return { ...spans, likeness: shared / Math.max(1, left.length, right.length) };
}

/** White space alone is no difference worth showing. */
function addSpan(spans: Span[], start: number, value: string): void {
  if (value.trim() !== "") spans.push({ start, end: start + value.length });
}
