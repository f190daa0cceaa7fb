/** @file Exact match and F1 of a short answer by the rules of DROP (its official drop_eval.py): numbers must agree, spans are aligned. */
import { type AnswerScore, articles, punctuation, words } from "./squad";

/**
 * Of the reference that fits best.
 * @param references each the spans of one right answer; most have one
 * @returns each 0 to 1; F1 rounded to hundredths, as there
 */
export function scoreDropAnswer(answer: string, references: readonly (readonly string[])[]): AnswerScore {
  const said = normalizeDropAnswer(answer);
  return references
    .map((spans) => scoreAgainst(said, spans.map(normalizeDropAnswer)))
    .reduce(better, { exactMatch: 0, f1: 0 });
}

/** The larger exact match, then the larger F1. */
const better = (a: AnswerScore, b: AnswerScore) =>
  b.exactMatch > a.exactMatch || (b.exactMatch === a.exactMatch && b.f1 > a.f1) ? b : a;

function scoreAgainst(said: string, spans: readonly string[]): AnswerScore {
  const isSame = spans.length === 1 && spans[0] === said;
  // One answer is aligned with the span it fits best; every other span counts 0.
  const best = Math.max(0, ...spans.map((span) => bagF1(new Set(words(said)), new Set(words(span)))));
  return { exactMatch: Number(isSame), f1: roundHalfEven(best / Math.max(1, spans.length)) };
}

function bagF1(said: ReadonlySet<string>, reference: ReadonlySet<string>): number {
  if (!numbersAgree(said, reference)) return 0;
  const shared = [...reference].filter((word) => said.has(word)).length;
  const precision = said.size === 0 ? 1 : shared / said.size;
  const recall = reference.size === 0 ? 1 : shared / reference.size;
  return precision === 0 && recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

function numbersAgree(said: ReadonlySet<string>, reference: ReadonlySet<string>): boolean {
  const numbers = [...reference].filter(isNumber);
  return numbers.length === 0 || numbers.some((each) => said.has(each));
}

/** Word by word: lower case, no punctuation but in numbers, numbers by their value, no articles. */
export function normalizeDropAnswer(text: string): string {
  const parts = text.split(/ |-/).map((part) => {
    const lower = part.toLowerCase();
    const bare = isNumber(lower) ? lower : lower.replace(punctuation, "");
    const valued = isNumber(bare) ? floatText(bare) : bare;
    return words(valued.replace(articles, " ")).join(" ");
  });
  return parts.filter((part) => part !== "").join(" ");
}

/** What Python's float() takes. */
function isNumber(text: string): boolean {
  return /^[+-]?(?:(?:\d+(?:_\d+)*)?\.\d+(?:_\d+)*|\d+(?:_\d+)*\.?)(?:e[+-]?\d+(?:_\d+)*)?$|^[+-]?(?:inf|infinity|nan)$/i.test(
    text.trim(),
  );
}

/** The same for equal values; only equality of these texts counts. */
function floatText(text: string): string {
  const bare = text.trim().replaceAll("_", "").toLowerCase();
  if (/nan$/.test(bare)) return "nan";
  if (/inf(?:inity)?$/.test(bare)) return bare.startsWith("-") ? "-inf" : "inf";
  const value = Number(bare);
  return Number.isInteger(value) ? `${Object.is(value, -0) ? "-0" : value}.0` : `${value}`;
}

/** To hundredths as numpy rounds: what is half after the multiplication goes to the even neighbour. */
function roundHalfEven(value: number): number {
  const scaled = value * 100;
  const low = Math.floor(scaled);
  const isHalf = scaled - low === 0.5;
  return (isHalf ? low + (low % 2) : Math.round(scaled)) / 100;
}
