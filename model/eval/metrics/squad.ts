/** @file Exact match and F1 of a short answer by the rules of SQuAD 2.0 (its official evaluate-v2.0.py). */

export type AnswerScore = { exactMatch: number; f1: number };

/** Python's string.punctuation. */
export const punctuation = /[!-/:-@[-`{-~]/g;
/** As words of their own, in any script: what \b means where letters are more than ASCII. */
export const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** Lower case, without punctuation and articles, single spaces. */
export function normalizeSquadAnswer(text: string): string {
  return words(text.toLowerCase().replace(punctuation, "").replace(articles, " ")).join(" ");
}

export const words = (text: string): string[] => text.split(/\s+/u).filter((word) => word !== "");

/**
 * Of the reference that fits best. "" is the answer that there is none; references that normalise to nothing are that too.
 * @returns each 0 to 1
 */
export function scoreSquadAnswer(answer: string, references: readonly string[]): AnswerScore {
  const worded = references.filter((reference) => normalizeSquadAnswer(reference) !== "");
  const all = worded.length > 0 ? worded : [""];
  return {
    exactMatch: Math.max(
      ...all.map((each) => Number(normalizeSquadAnswer(each) === normalizeSquadAnswer(answer))),
    ),
    f1: Math.max(...all.map((each) => overlapF1(tokens(answer), tokens(each)))),
  };
}

const tokens = (text: string) => words(normalizeSquadAnswer(text));

/** Of two bags of words; where one is empty, whether both are. */
function overlapF1(answer: readonly string[], reference: readonly string[]): number {
  if (answer.length === 0 || reference.length === 0) return Number(answer.length === reference.length);
  const left = new Map<string, number>();
  for (const word of reference) left.set(word, (left.get(word) ?? 0) + 1);
  let shared = 0;
  for (const word of answer) {
    const count = left.get(word) ?? 0;
    if (count > 0) shared += 1;
    left.set(word, count - 1);
  }
  if (shared === 0) return 0;
  const [precision, recall] = [shared / answer.length, shared / reference.length];
  return (2 * precision * recall) / (precision + recall);
}
