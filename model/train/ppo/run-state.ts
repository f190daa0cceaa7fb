/** @file What a run of PPO has to know to go on, besides weights and moments: kept with each checkpoint (docs/formats.md). */
import { z } from "zod";
import type { PpoConfig } from "../ppo-config";

export const watchedSchema = z.object({
  klK3: z.number(),
  entropy: z.number(),
  responseTokens: z.number(),
  endedShare: z.number(),
  repetition: z.number(),
  firstRatioGap: z.number(),
});

export const ppoStateSchema = z.object({
  beta: z.number(),
  shift: z.number().nullable(),
  scores: z.object({ count: z.int(), mean: z.number(), squares: z.number() }),
  valueBias: z.number().nullable(),
  valueSteps: z.int(),
  ptxCoefficient: z.number().nullable(),
  first: watchedSchema.nullable(),
  /** Mean scores of the iterations, and what watches them; the newest last. */
  scored: z.array(z.number()),
  judged: z.array(z.number().nullable()),
  /** Of the evaluation since the last iteration; null: there was none. */
  lastHeldOut: z.number().nullable().default(null),
  accepted: z.record(z.string(), z.number()),
  /** What the reference's responses to held-out prompts scored; null: it was not evaluated. */
  referenceScores: z.array(z.number()).nullable().default(null),
  /** What the best of n of its responses would; null: it was not asked. */
  bestOfN: z
    .array(z.object({ n: z.int(), score: z.number() }))
    .nullable()
    .default(null),
});
export type PpoRunState = z.infer<typeof ppoStateSchema>;

export function newState({ beta, ptx }: PpoConfig): PpoRunState {
  return {
    beta,
    shift: null,
    scores: { count: 0, mean: 0, squares: 0 },
    valueBias: null,
    valueSteps: 0,
    ptxCoefficient: ptx?.coefficient ?? null,
    first: null,
    scored: [],
    judged: [],
    lastHeldOut: null,
    accepted: {},
    referenceScores: null,
    bestOfN: null,
  };
}
