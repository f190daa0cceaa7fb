/** @file What a policy reached on a suite: figures with intervals over its items, and what each item gave. */
import { z } from "zod";
import { bootstrapInterval } from "../bootstrap";
import { bleuOf } from "../metrics/bleu";
import { repetitionOf } from "../repetition";
import type { ItemScore } from "./score-item";
import { suiteMetrics } from "./suite";

/** How a suite was asked. */
export const suiteVariants = ["zeroShot", "fewShot", "reasoning"] as const;
export type SuiteVariant = (typeof suiteVariants)[number];

const figureSchema = z.object({
  name: z.string(),
  value: z.number(),
  /** Of 95 %, items resampled; null: too few items. */
  low: z.number().nullable(),
  high: z.number().nullable(),
});
export type Figure = z.infer<typeof figureSchema>;

const countsSchema = z.object({
  matches: z.array(z.number()),
  totals: z.array(z.number()),
  words: z.number(),
  referenceWords: z.number(),
});

const itemResultSchema = z.object({
  id: z.string(),
  slice: z.string().nullable(),
  values: z.record(z.string(), z.number()),
  counts: countsSchema.optional(),
  weight: z.number().positive().optional(),
});

export const suiteResultSchema = z.object({
  suite: z.string(),
  title: z.string(),
  sha256: z.string(),
  metric: z.enum(suiteMetrics),
  variant: z.enum(suiteVariants),
  /** The main one first. */
  figures: z.array(figureSchema).min(1),
  slices: z.array(z.object({ slice: z.string(), items: z.int(), figure: figureSchema })),
  /** Of sampled responses; null where none were. */
  behaviour: z
    .object({
      responseTokens: z.number(),
      endedShare: z.number(),
      repetition: z.number(),
      refusedShare: z.number(),
      emptyShare: z.number(),
    })
    .nullable(),
  /** Whose prompt did not fit the context. */
  cutItems: z.int(),
  items: z.array(itemResultSchema),
});
export type SuiteResult = z.infer<typeof suiteResultSchema>;
export type ItemResult = z.infer<typeof itemResultSchema>;

/** One item as it was asked and answered, for people to read. */
export const transcriptSchema = z.object({
  suite: z.string(),
  variant: z.enum(suiteVariants),
  id: z.string(),
  slice: z.string().nullable(),
  messages: z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() })),
  /** Of multiple choice: the choice it holds likeliest. Empty where nothing was said. */
  response: z.string(),
  /** What would have been right, for people. */
  expected: z.string(),
  values: z.record(z.string(), z.number()),
  isFinished: z.boolean().nullable(),
});
export type Transcript = z.infer<typeof transcriptSchema>;

/** @param items with as many values as names @param weights how often each item is drawn; left out: once */
export function figureOf(
  name: string,
  items: readonly ItemScore[],
  weights?: ArrayLike<number>,
): number | null {
  const drawn = (i: number) => (weights?.[i] ?? 1) * (items[i]?.weight ?? 1);
  const total = items.reduce((sum, _, i) => sum + drawn(i), 0);
  if (total === 0) return null;
  if (name === "bleu") {
    const counts = items.flatMap((item) => item.counts ?? []);
    return bleuOf(counts, weights ? { weights } : {}) / 100;
  }
  return items.reduce((sum, { values }, i) => sum + (values[name] ?? 0) * drawn(i), 0) / total;
}

export function figureWithInterval(name: string, items: readonly ItemScore[], seed: number): Figure {
  const interval = bootstrapInterval(items.length, (weights) => figureOf(name, items, weights), { seed });
  return {
    name,
    value: figureOf(name, items) ?? Number.NaN,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  };
}

/** Of one slice alone, as `compareResults` has it of all items. */
export function compareSlice(
  before: readonly SuiteResult[],
  after: readonly SuiteResult[],
  { suite, slice }: { suite: string; slice: string },
): SuiteDelta[] {
  const only = (results: readonly SuiteResult[]) =>
    results
      .filter((each) => each.suite === suite)
      .map((each) => ({ ...each, items: each.items.filter((item) => item.slice === slice) }));
  return compareResults(only(before), only(after));
}

export type SuiteDelta = {
  suite: string;
  variant: SuiteVariant;
  metric: SuiteResult["metric"];
  /** By how much the main figure is higher, on the same items. */
  difference: Figure;
  items: number;
};

/**
 * One policy against another, item by item.
 * @param before of the same suites; what only one of them has is left out, as are suites whose files differ
 */
export function compareResults(
  before: readonly SuiteResult[],
  after: readonly SuiteResult[],
  { seed = 1 }: { seed?: number } = {},
): SuiteDelta[] {
  return after.flatMap((own) => {
    const other = before.find(
      ({ suite, variant, sha256 }) => suite === own.suite && variant === own.variant && sha256 === own.sha256,
    );
    const name = own.figures[0]?.name;
    if (!other || name === undefined) return [];
    const theirs = new Map(other.items.map((item) => [item.id, item]));
    const pairs = own.items.flatMap((item) => {
      const match = theirs.get(item.id);
      return match ? [{ before: scoreOf(match), after: scoreOf(item) }] : [];
    });
    if (pairs.length === 0) return [];
    const statistic = (weights?: ArrayLike<number>) => {
      const [a, b] = (["after", "before"] as const).map((side) =>
        figureOf(
          name,
          pairs.map((pair) => pair[side]),
          weights,
        ),
      );
      return a == null || b == null ? null : a - b;
    };
    const interval = bootstrapInterval(pairs.length, statistic, { seed });
    const difference = {
      name,
      value: statistic() ?? Number.NaN,
      low: interval?.low ?? null,
      high: interval?.high ?? null,
    };
    return [{ suite: own.suite, variant: own.variant, metric: own.metric, difference, items: pairs.length }];
  });
}

const scoreOf = ({ values, counts, weight }: ItemResult): ItemScore => ({
  values,
  ...(counts && { counts }),
  ...(weight !== undefined && { weight }),
});

/** @param responses texts with their length in tokens */
export function behaviourOf(
  responses: readonly { text: string; tokens: readonly number[]; isFinished: boolean }[],
  refuses: (text: string) => boolean,
): NonNullable<SuiteResult["behaviour"]> {
  const mean = (of: (each: (typeof responses)[number]) => number) =>
    responses.reduce((sum, each) => sum + of(each), 0) / Math.max(1, responses.length);
  return {
    responseTokens: mean(({ tokens }) => tokens.length),
    endedShare: mean(({ isFinished }) => Number(isFinished)),
    repetition: mean(({ text }) => repetitionOf(text)),
    refusedShare: mean(({ text }) => Number(refuses(text))),
    emptyShare: mean(({ text }) => Number(text.trim() === "")),
  };
}
