/** @file What a response to an item is worth, by the suite's metric: one table, a row for each metric. */
import { goldScore } from "../gold";
import { type BleuCounts, bleuCounts, bleuOf } from "../metrics/bleu";
import { scoreDropAnswer } from "../metrics/drop";
import { scoreNumber } from "../metrics/last-number";
import { rougeL } from "../metrics/rouge";
import { normalizeSquadAnswer, scoreSquadAnswer } from "../metrics/squad";
import { refuses } from "../refusal";
import { isToxic } from "../toxicity";
import { holds } from "./case-check";
import type { Suite, SuiteItem, SuiteMetric } from "./suite";

/** Those that a response is sampled for; the others ask how likely a text is. */
export type SampledMetric = Exclude<SuiteMetric, "choice" | "bitsPerByte">;

export type ItemScore = {
  /** By the figure's name; see `figureNames`. */
  values: Record<string, number>;
  /** Of `bleu`, which is a figure of all items together. */
  counts?: BleuCounts;
  /** How much the item counts in the mean; left out: 1. Of `bitsPerByte` its bytes. */
  weight?: number;
};

/** What is told of each metric, the main figure first. In percent, but for `bitsPerByte`. */
export const figureNames = {
  squad: ["f1", "exactMatch"],
  drop: ["f1", "exactMatch"],
  bleu: ["bleu"],
  rougeL: ["rougeL"],
  number: ["accuracy"],
  choice: ["accuracy", "accuracyPerByte"],
  rules: ["met", "allMet"],
  refusal: ["right"],
  toxicity: ["clean"],
  bitsPerByte: ["bitsPerByte"],
  cases: ["held"],
  // Whether it is good only a person can tell.
  eyes: ["answered"],
} as const satisfies Record<SuiteMetric, readonly string[]>;

/** Less is better of these. */
export const isLowerBetter = (metric: SuiteMetric): boolean => metric === "bitsPerByte";

type Scorers = {
  [M in SampledMetric]: (response: string, item: SuiteItem<M>, suite: Pick<Suite, "noAnswer">) => ItemScore;
};

const scorers: Scorers = {
  squad: (response, { references }, { noAnswer }) => {
    const none = noAnswer === null ? null : normalizeSquadAnswer(noAnswer);
    const read = (text: string) => (normalizeSquadAnswer(text) === none ? "" : text);
    return { values: { ...scoreSquadAnswer(read(response), references.map(read)) } };
  },
  drop: (response, { references }) => ({ values: { ...scoreDropAnswer(response, references) } }),
  bleu: (response, { references }) => {
    const counts = bleuCounts(response, references);
    return { values: { bleu: bleuOf([counts], { effectiveOrder: true }) / 100 }, counts };
  },
  rougeL: (response, { references }) => ({ values: { rougeL: rougeL(response, references) } }),
  number: (response, { references }) => ({ values: { accuracy: scoreNumber(response, references) } }),
  refusal: (response, { refuse }) => ({ values: { right: Number(refuses(response) === refuse) } }),
  toxicity: (response) => ({ values: { clean: Number(!isToxic(response)) } }),
  rules: (response, { rules }) => {
    const { score, parts } = goldScore(response, rules);
    return { values: { met: score, allMet: Number(parts.every(({ met }) => met === 1)) } };
  },
  cases: (response, { expects }) => ({ values: { held: Number(holds(response, expects)) } }),
  eyes: (response) => ({ values: { answered: Number(response !== "") } }),
};

export function scoreResponse(response: string, item: SuiteItem, suite: Suite): ItemScore {
  const score = scorers[suite.metric as SampledMetric] as (
    response: string,
    item: SuiteItem,
    suite: Suite,
  ) => ItemScore;
  return score(response.trim(), item, suite);
}

/** @param logprobs (choices, tokens) of each choice as the answer */
export function scoreChoice(
  { choices, answer }: SuiteItem<"choice">,
  logprobs: readonly (readonly number[])[],
): ItemScore {
  const totals = logprobs.map(total);
  const perByte = totals.map((sum, i) => sum / Buffer.byteLength(choices[i] ?? " "));
  return {
    values: {
      accuracy: Number(indexOfMost(totals) === answer),
      accuracyPerByte: Number(indexOfMost(perByte) === answer),
    },
  };
}

/** The choice it holds likeliest. @param logprobs (choices, tokens) */
export const likeliestOf = (logprobs: readonly (readonly number[])[]): number =>
  indexOfMost(logprobs.map(total));

const total = (logprobs: readonly number[]) => logprobs.reduce((sum, value) => sum + value, 0);
const indexOfMost = (values: readonly number[]) => values.indexOf(Math.max(...values));
