/**
 * @file What trials on a run's own data said before it trained (`reward-trials.json`): how well the same training does on
 * every part of the data in turn, and how accuracy grows with the prompts. Facts of data and settings, so the same in each
 * of a run's checkpoints.
 */
import { z } from "zod";
import type { BootstrapOptions } from "../bootstrap";
import { accuracyOf, type Figure, longerWinsOf, marginOverLength } from "./accuracy";
import { figureSchema } from "./report";
import type { ScoredPair } from "./scored-prompt";

export const rewardTrialsFile = "reward-trials.json";

const count = z.int().min(0);
const comparedSchema = z.object({
  accuracy: figureSchema,
  longerWins: figureSchema,
  /** The first less the second, paired. */
  margin: figureSchema,
});

export const foldWays = ["prompts", "labelers"] as const;
export type FoldWay = (typeof foldWays)[number];

const foldsSchema = z.object({
  by: z.enum(foldWays),
  /** Over all folds, each pair judged by the model that had neither its prompt nor, by labelers, its labeler. */
  pooled: comparedSchema,
  each: z.array(
    z.object({
      /** Prompts. */
      training: count,
      /** Whose rankings are held out, under their pseudonyms; empty where folds are of prompts. */
      labelers: z.array(z.string()),
      accuracy: figureSchema,
      longerWins: figureSchema,
    }),
  ),
});
export type FoldsReport = z.infer<typeof foldsSchema>;

const curveSchema = z.object({
  /** On the same held-out prompts. */
  longerWins: figureSchema,
  /** Heads solved on the states of the model as it starts, the fewest prompts first. */
  points: z.array(z.object({ prompts: count, strength: z.number(), accuracy: figureSchema })),
});
export type LearningCurve = z.infer<typeof curveSchema>;

export const rewardTrialsSchema = z.object({
  formatVersion: z.literal(1),
  /** null where none were asked for. */
  folds: foldsSchema.nullable(),
  /** null where none was asked for, or there are too few prompts for one. */
  learningCurve: curveSchema.nullable(),
});
export type RewardTrials = z.infer<typeof rewardTrialsSchema>;

/** The model, the baseline, and their difference. */
export function compareWithLength(
  pairs: readonly ScoredPair[],
  options: BootstrapOptions,
): Record<"accuracy" | "longerWins" | "margin", Figure> {
  return {
    accuracy: accuracyOf(pairs, options),
    longerWins: longerWinsOf(pairs, options),
    margin: marginOverLength(pairs, options),
  };
}
