/** @file How much a text repeats itself. */

/** Of its word triples, the share that were there before. */
export function repetitionOf(text: string): number {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const triples = words.slice(2).map((_, i) => words.slice(i, i + 3).join(" "));
  return triples.length === 0 ? 0 : 1 - new Set(triples).size / triples.length;
}
