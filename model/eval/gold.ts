/**
 * @file The gold judge of tests and benchmarks: rules that a prompt states and a response can be checked against. It stands
 * for what people want where there are no people, and is always called simulated.
 */

import { z } from "zod";

/** Raised when any score changes, so that results name the judge they were judged by. */
export const goldVersion = 1;

/** What a prompt asks for. Data, so that it can lie in a file beside the prompt. */
export const goldRuleSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("words"),
    words: z.array(z.string()).readonly().describe("each of them, in any case, as a word of its own"),
  }),
  z.strictObject({
    type: z.literal("length"),
    least: z.number().describe("in words"),
    most: z.number().describe("in words"),
  }),
  z.strictObject({
    type: z.literal("format"),
    items: z
      .int()
      .nullable()
      .describe('a list of this many lines that begin with "- "; null: text without such a line'),
  }),
  /** No three words in a row twice. */
  z.strictObject({ type: z.literal("noRepetition") }),
  /** The last character ends a sentence. */
  z.strictObject({ type: z.literal("ending") }),
  z.strictObject({
    type: z.literal("answer"),
    text: z
      .string()
      .describe("this and nothing else, in any case, white space and a full stop at its end left out"),
  }),
]);

export type GoldRule = z.infer<typeof goldRuleSchema>;

/** How far a rule is met, from 0 to 1. */
export type GoldPart = { type: GoldRule["type"]; met: number };

/**
 * @returns the mean over the rules, from 0 to 1; an empty response meets none
 */
export function goldScore(
  response: string,
  rules: readonly GoldRule[],
): { score: number; parts: GoldPart[] } {
  const words = wordsOf(response);
  const parts = rules.map((rule) => ({
    type: rule.type,
    met: words.length === 0 ? 0 : howFarMet(rule, response, words),
  }));
  return { score: parts.reduce((sum, { met }) => sum + met, 0) / Math.max(1, parts.length), parts };
}

function howFarMet(rule: GoldRule, response: string, words: readonly string[]): number {
  switch (rule.type) {
    case "words": {
      const said = new Set(words);
      return shareOf(rule.words, (word) => said.has(word.toLowerCase()));
    }
    case "length": {
      // Outside of the band the score falls evenly, to 0 at no word and at twice the most.
      const short = words.length / rule.least;
      const long = 2 - words.length / rule.most;
      return Math.max(0, Math.min(1, short, long));
    }
    case "format": {
      const lines = response.split("\n").filter((line) => line.trim() !== "");
      const items = lines.filter((line) => /^[-*] \S/.test(line.trim())).length;
      if (rule.items === null) return 1 - items / Math.max(1, lines.length);
      // Neither a line too many nor one that is no item.
      return Math.min(items, rule.items) / Math.max(rule.items, lines.length);
    }
    case "noRepetition": {
      const triples = words.slice(2).map((_, i) => words.slice(i, i + 3).join(" "));
      return triples.length === 0 ? 1 : new Set(triples).size / triples.length;
    }
    case "ending":
      return Number(/[.!?]["'”’)]*$/.test(response.trim()));
    case "answer":
      return Number(plain(response) === plain(rule.text));
  }
}

const plain = (text: string) => text.trim().replace(/\.$/, "").replace(/\s+/g, " ").toLowerCase();

/** Words in small letters, without what stands around them. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu) ?? [];
}

function shareOf<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.length === 0 ? 1 : items.filter(holds).length / items.length;
}
