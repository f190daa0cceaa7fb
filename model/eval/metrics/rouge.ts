/** @file ROUGE-L (Lin 2004): the F-measure of the longest common subsequence, as the package rouge-score computes it without stemming. */

/** Of the reference that fits best. @returns 0 to 1 */
export function rougeL(response: string, references: readonly string[]): number {
  const said = rougeTokens(response);
  return Math.max(0, ...references.map((each) => fMeasure(said, rougeTokens(each))));
}

function fMeasure(said: readonly string[], reference: readonly string[]): number {
  const common = longestCommon(said, reference);
  if (common === 0) return 0;
  const [precision, recall] = [common / said.length, common / reference.length];
  return (2 * precision * recall) / (precision + recall);
}

const rougeTokens = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** Its length, row by row. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  let before = new Uint32Array(b.length + 1);
  for (const word of a) {
    const row = new Uint32Array(b.length + 1);
    for (const [j, other] of b.entries())
      row[j + 1] = word === other ? (before[j] ?? 0) + 1 : Math.max(before[j + 1] ?? 0, row[j] ?? 0);
    before = row;
  }
  return before[b.length] ?? 0;
}
