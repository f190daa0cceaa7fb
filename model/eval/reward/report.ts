/**
 * @file The reward report: everything that says whether a reward model can be trusted, as one JSON document
 * (`reward-report.json`). A row of data is named by file and line; its texts are there only where they were asked for.
 */
import { z } from "zod";
import { messageSchema } from "../../data/rankings/ranked-prompt";
import type { BootstrapOptions } from "../bootstrap";
import { accuracyBy, accuracyOf } from "./accuracy";
import { calibrationOf } from "./calibration";
import { ceilingOf } from "./ceiling";
import { worstDisagreements } from "./disagreements";
import { scoreDistributions } from "./distribution";
import type { LeakReport } from "./leaks";
import { lengthReport } from "./length";
import { judgeProbes, type ProbedPrompt, probeKinds } from "./probes";
import { rankCorrelation } from "./rank-correlation";
import { type ScoredPrompt, type ScoredRanking, scoredPairs } from "./scored-prompt";
import { uncertaintyOf } from "./uncertainty";
import { warningKinds, warningsOf } from "./warnings";

export const rewardReportFile = "reward-report.json";

const count = z.int().min(0);
const intervalSchema = z.object({ low: z.number(), high: z.number(), level: z.number() });
export const figureSchema = z.object({
  share: z.number().nullable(),
  interval: intervalSchema.nullable(),
  pairs: count,
  prompts: count,
});
const breakdownSchema = z.array(
  z.object({ key: z.string(), accuracy: figureSchema, longerWins: figureSchema }),
);
const distributionSchema = z.object({
  count,
  mean: z.number(),
  std: z.number(),
  min: z.number(),
  max: z.number(),
  quantiles: z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]),
});
const placeSchema = z.object({ file: z.string(), line: z.int().min(1) });
const shareSchema = z.object({ share: z.number(), interval: intervalSchema.nullable() });

const tercileSchema = z.object({ from: z.number(), to: z.number(), accuracy: figureSchema });

/** Of the rankings of one kind of judge. */
const figuresSchema = z.object({
  rankings: count,
  labelers: count,
  pairs: count,
  /** Left out of every figure. */
  ties: count,
  accuracy: figureSchema,
  /** null where no two people ranked the same pair. */
  ceiling: z
    .object({
      agreement: z.number(),
      interval: intervalSchema.nullable(),
      unit: z.enum(["labelers", "prompts"]),
      pairs: count,
      prompts: count,
      accuracy: figureSchema,
    })
    .nullable(),
  rankCorrelation: z.object({
    tauB: z.number().nullable(),
    interval: intervalSchema.nullable(),
    rankings: count,
  }),
  calibration: z.object({
    bins: z.array(
      z.object({
        from: z.number(),
        to: z.number(),
        pairs: count,
        predicted: z.number().nullable(),
        observed: z.number().nullable(),
      }),
    ),
    error: z.number().nullable(),
    loss: z.number().nullable(),
  }),
  length: z.object({
    correlation: z.number().nullable(),
    withinPrompts: z.number().nullable(),
    longerWins: figureSchema,
    margin: figureSchema,
    whereShorterChosen: figureSchema,
  }),
  by: z.object({
    labeler: breakdownSchema,
    /** Number of responses ranked. */
    responses: breakdownSchema,
    rankGap: breakdownSchema,
    source: breakdownSchema,
  }),
  /** Left out where the model is no ensemble. */
  uncertainty: z
    .object({
      members: count,
      meanDeviation: z.number(),
      meanMargin: z.number(),
      byDoubt: z.array(tercileSchema),
      byMargin: z.array(tercileSchema),
    })
    .optional(),
});

const exampleSchema = z.object({
  id: z.string(),
  place: placeSchema.nullable(),
  source: z.string().nullable(),
  /** Places among the prompt's responses, as its data has them. */
  chosen: count,
  rejected: count,
  chosenScore: z.number(),
  rejectedScore: z.number(),
  chosenTokens: count,
  rejectedTokens: count,
  votes: z.object({ chosen: count, rejected: count, tied: count }),
  /** null where the texts are to be read from the data. */
  texts: z.object({ prompt: z.array(messageSchema), chosen: z.string(), rejected: z.string() }).nullable(),
});

const probesSchema = z.object({
  threshold: z.number(),
  prompts: count,
  passes: z.boolean(),
  kinds: z.array(
    z.object({
      kind: z.enum(probeKinds),
      ofAll: shareSchema,
      ofBest: shareSchema,
      meanScore: z.number(),
      passes: z.boolean(),
      worst: z
        .object({
          id: z.string(),
          place: placeSchema.nullable(),
          score: z.number(),
          best: z.number(),
          /** null where it is to be made again from the prompt. */
          text: z.string().nullable(),
        })
        .nullable(),
    }),
  ),
});

export const rewardReportSchema = z.object({
  formatVersion: z.literal(1),
  /** Id of the checkpoint; null in the report that is part of it, whose id it cannot know. */
  checkpoint: z.string().nullable(),
  /** ISO 8601; null in the report that is part of a checkpoint, which is the same whenever it is made. */
  madeAt: z.string().nullable(),
  seed: z.int(),
  prompts: count,
  responses: count,
  /** Whether the model was trained on none of these prompts; null: nobody knows. */
  isHeldOut: z.boolean().nullable(),
  /** Rankings of everyone but the held-out group. */
  main: figuresSchema,
  /** Rankings of the held-out group, apart; null where there is none. */
  heldOutGroup: figuresSchema.nullable(),
  distributions: z.object({
    edges: z.array(z.number()),
    groups: z.array(
      z.object({
        name: z.enum(["all", "best", "worst"]),
        summary: distributionSchema.nullable(),
        counts: z.array(count),
      }),
    ),
  }),
  /** null where the training data was not there to compare with. */
  leaks: z
    .object({
      prompts: count,
      responses: count,
      checked: count,
      examples: z.array(
        z.object({ heldOut: z.string(), training: z.string(), shared: z.enum(["prompt", "response"]) }),
      ),
    })
    .nullable(),
  /** null where nothing was probed. */
  probes: probesSchema.nullable(),
  disagreements: z.array(exampleSchema),
  warnings: z.array(z.object({ kind: z.enum(warningKinds), text: z.string() })),
});

export type RewardReport = z.infer<typeof rewardReportSchema>;
export type RewardFigures = z.infer<typeof figuresSchema>;
export type RewardExample = z.infer<typeof exampleSchema>;

export type ReportInput = {
  prompts: readonly ScoredPrompt[];
  probed: readonly ProbedPrompt[];
  leaks: LeakReport | null;
  checkpoint: string | null;
  /** ISO 8601. */
  madeAt: string | null;
  isHeldOut: boolean | null;
  /** Of the intervals. */
  seed: number;
  /** Off where the report lies beside data that may be erased. */
  withTexts: boolean;
  /** Of the intervals; default 2000. */
  resamples?: number;
};

export function makeRewardReport(input: ReportInput): RewardReport {
  const { prompts, leaks, checkpoint, isHeldOut, seed, resamples } = input;
  const options = { seed, ...(resamples !== undefined && { resamples }) };
  const judged = (belongs: (ranking: ScoredRanking) => boolean) => figuresOf(keep(prompts, belongs), options);
  const hasHeldOutGroup = prompts.some(({ rankings }) => rankings.some(({ group }) => group === "heldOut"));
  const facts = {
    main: judged(({ group }) => group !== "heldOut"),
    heldOutGroup: hasHeldOutGroup ? judged(({ group }) => group === "heldOut") : null,
    leaks,
    probes: probesOf(input, options),
  };
  return {
    formatVersion: 1,
    checkpoint,
    madeAt: input.madeAt,
    seed,
    prompts: prompts.length,
    responses: prompts.reduce((sum, { responses }) => sum + responses.length, 0),
    isHeldOut,
    ...facts,
    distributions: scoreDistributions(prompts),
    disagreements: examplesOf(input),
    warnings: warningsOf({ ...facts, isHeldOut }),
  };
}

/** The same prompts, at the same places, with some of their rankings. */
function keep(
  prompts: readonly ScoredPrompt[],
  belongs: (ranking: ScoredRanking) => boolean,
): ScoredPrompt[] {
  return prompts.map((prompt) => ({ ...prompt, rankings: prompt.rankings.filter(belongs) }));
}

function figuresOf(prompts: readonly ScoredPrompt[], options: BootstrapOptions): RewardFigures {
  const { pairs, ties } = scoredPairs(prompts);
  const rankings = prompts.flatMap((prompt) => prompt.rankings);
  const judged = prompts.filter((prompt) => prompt.rankings.length > 0);
  const [response] = prompts.flatMap(({ responses }) => responses);
  const uncertainty = uncertaintyOf(pairs, response?.memberScores?.length ?? 1, options);
  return {
    rankings: rankings.length,
    labelers: new Set(rankings.flatMap(({ labeler }) => labeler ?? [])).size,
    pairs: pairs.length,
    ties,
    accuracy: accuracyOf(pairs, options),
    ceiling: ceilingOf(prompts, options),
    rankCorrelation: rankCorrelation(prompts, options),
    calibration: calibrationOf(pairs),
    length: lengthReport(judged, pairs, options),
    by: {
      labeler: accuracyBy(pairs, ({ labeler }) => labeler, options),
      responses: accuracyBy(pairs, ({ ranked }) => ranked, options),
      rankGap: accuracyBy(pairs, ({ rankGap }) => rankGap, options),
      source: accuracyBy(pairs, ({ source }) => source, options),
    },
    ...(uncertainty && { uncertainty }),
  };
}

function examplesOf({ prompts, withTexts }: ReportInput): RewardExample[] {
  return worstDisagreements(prompts, scoredPairs(prompts).pairs).flatMap((found) => {
    const prompt = prompts[found.prompt];
    const [chosen, rejected] = [prompt?.responses[found.chosen], prompt?.responses[found.rejected]];
    if (!prompt || !chosen || !rejected) return [];
    return {
      id: prompt.id,
      place: prompt.place,
      source: prompt.source,
      chosen: chosen.place,
      rejected: rejected.place,
      chosenScore: chosen.score,
      rejectedScore: rejected.score,
      chosenTokens: chosen.tokens,
      rejectedTokens: rejected.tokens,
      votes: found.votes,
      texts: withTexts ? { prompt: [...prompt.prompt], chosen: chosen.text, rejected: rejected.text } : null,
    };
  });
}

function probesOf(
  { prompts, probed, withTexts }: ReportInput,
  options: BootstrapOptions,
): RewardReport["probes"] {
  const judged = judgeProbes(prompts, probed, options);
  if (!judged) return null;
  return {
    ...judged,
    kinds: judged.kinds.map(({ worst, ...figure }) => {
      const prompt = worst && prompts[worst.prompt];
      return {
        ...figure,
        worst: prompt
          ? {
              id: prompt.id,
              place: prompt.place,
              score: worst.score,
              best: worst.best,
              text: withTexts ? worst.text : null,
            }
          : null,
      };
    }),
  };
}
