/**
 * @file BLEU over a corpus (Papineni et al. 2002) as sacreBLEU computes it by default: its tokenizer `13a`, n-grams to 4,
 * exponential smoothing of orders that never match.
 */

/** What a sentence adds to a corpus: counts of n-grams, of those found in a reference, and of words. */
export type BleuCounts = {
  /** (4) */
  matches: number[];
  /** (4) */
  totals: number[];
  words: number;
  /** Of the reference whose length is closest; of two as close, the shorter. */
  referenceWords: number;
};

const orders = [1, 2, 3, 4] as const;

export function bleuCounts(response: string, references: readonly string[]): BleuCounts {
  const said = tokenize13a(response);
  const others = references.map(tokenize13a);
  const counted = orders.map((n) => {
    const own = countGrams(said, n);
    const most = new Map<string, number>();
    for (const other of others)
      for (const [gram, count] of countGrams(other, n)) most.set(gram, Math.max(count, most.get(gram) ?? 0));
    const matches = [...own].reduce((sum, [gram, count]) => sum + Math.min(count, most.get(gram) ?? 0), 0);
    return { matches, total: Math.max(0, said.length - n + 1) };
  });
  const closest = others
    .map(({ length }) => length)
    .toSorted((a, b) => Math.abs(a - said.length) - Math.abs(b - said.length) || a - b);
  return {
    matches: counted.map(({ matches }) => matches),
    totals: counted.map(({ total }) => total),
    words: said.length,
    referenceWords: closest[0] ?? 0,
  };
}

/**
 * BLEU = min(1, exp(1 - r / c)) exp(mean of log precisions)
 * @param weights how often each sentence is drawn; left out: once
 * @param options.effectiveOrder leaves out orders that the text is too short for, as one does for single sentences
 * @returns 0 to 100
 */
export function bleuOf(
  counts: readonly BleuCounts[],
  { weights, effectiveOrder = false }: { weights?: ArrayLike<number>; effectiveOrder?: boolean } = {},
): number {
  const sum = (of: (each: BleuCounts) => number) =>
    counts.reduce((total, each, i) => total + of(each) * (weights?.[i] ?? 1), 0);
  const [words, referenceWords] = [sum((each) => each.words), sum((each) => each.referenceWords)];
  const matches = orders.map((n) => sum((each) => each.matches[n - 1] ?? 0));
  const totals = orders.map((n) => sum((each) => each.totals[n - 1] ?? 0));
  if (matches.every((each) => each === 0)) return 0;
  let smoothing = 1;
  const logs: number[] = [];
  for (const [i, total] of totals.entries()) {
    if (total === 0) {
      // An order that nothing is long enough for.
      if (!effectiveOrder) return 0;
      break;
    }
    const matched = matches[i] ?? 0;
    if (matched === 0) smoothing *= 2;
    logs.push(Math.log(100 * (matched === 0 ? 1 / (smoothing * total) : matched / total)));
  }
  const brevity = words < referenceWords ? Math.exp(1 - referenceWords / words) : 1;
  return brevity * Math.exp(logs.reduce((total, each) => total + each, 0) / logs.length);
}

function countGrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const gram = words.slice(i, i + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

const entities = { "&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">" };

/** That of mteval-v13a.pl, as sacreBLEU has it. */
export function tokenize13a(text: string): string[] {
  let line = text.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  if (line.includes("&"))
    for (const [entity, character] of Object.entries(entities)) line = line.replaceAll(entity, character);
  return ` ${line} `
    .replace(/([{-~[-` -&(-+:-@/])/g, " $1 ")
    .replace(/([^0-9])([.,])/g, "$1 $2 ")
    .replace(/([.,])([^0-9])/g, " $1 $2")
    .replace(/([0-9])(-)/g, "$1 $2 ")
    .split(/\s+/u)
    .filter((word) => word !== "");
}
