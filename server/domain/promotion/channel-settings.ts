/** @file What an admin sets for a channel: its gates, when it goes back by itself, what becomes of a retired policy's tasks. */
import { z } from "zod";

const share = z.number().min(0).max(1);
const gate = { isOn: z.boolean().default(true) };

/** One entry a gate; the limits are shares, 0.02 for two points. */
export const gateSettingsSchema = z.object({
  /** The lower bound of the win rate is above one half. */
  winRate: z.object(gate).prefault({}),
  judgments: z.object({ ...gate, least: z.int().min(1).max(100_000).default(200) }).prefault({}),
  /** The lower bound of the worst slice's win rate is not below this. */
  worstSlice: z.object({ ...gate, floor: share.default(0.4) }).prefault({}),
  heldOut: z.object(gate).prefault({}),
  /** No suite may have lost more than this, lower bound. */
  tax: z.object({ ...gate, mostLoss: share.default(0.02) }).prefault({}),
  /** The rate of no flag may have risen by more than this, upper bound. */
  flags: z.object({ ...gate, mostRise: share.default(0.02) }).prefault({}),
  /** So many cases may fail that the live policy passes. Where none is pinned it asks for nothing. */
  regressions: z.object({ ...gate, mostFailed: z.int().min(0).max(1000).default(0) }).prefault({}),
  /** Trainer and server tell the same log-probabilities; so much of the policy's effect is kept in the served form. */
  parity: z.object({ ...gate, leastEffectKept: share.default(0.5) }).prefault({}),
  /** Off by default: a server of one person has nobody else to ask. */
  approval: z
    .object({ isOn: z.boolean().default(false), approvals: z.int().min(1).max(5).default(1) })
    .prefault({}),
});
export type GateSettings = z.infer<typeof gateSettingsSchema>;

/** When a new policy is taken back by itself. */
export const watchSettingsSchema = z.object({
  isOn: z.boolean().default(true),
  /** How often, at most, a policy that is as good is taken back: each for thumbs and errors, however long it is watched. */
  alpha: z.number().min(0.0001).max(0.2).default(0.01),
  /** Only more than these above the policy before counts. */
  thumbsMargin: share.default(0.05),
  errorsMargin: share.default(0.02),
  /** Median time a token over that of the policy before. */
  latencyRatio: z.number().min(1.1).max(20).default(2),
  /** Answers of either policy before latency is compared. */
  latencyAnswers: z.int().min(5).max(10_000).default(50),
  /** So long after a promotion; a canary is watched as long as it stands. */
  hours: z.number().min(1).max(720).default(48),
});
export type WatchSettings = z.infer<typeof watchSettingsSchema>;

export const channelSettingsSchema = z.object({
  gates: gateSettingsSchema.prefault({}),
  watch: watchSettingsSchema.prefault({}),
  /** What becomes of ranking tasks that nobody has begun, whose responses are all of policies that are not live any more. */
  retiredTasks: z.enum(["keep", "close", "resample"]).default("keep"),
});
export type ChannelSettings = z.infer<typeof channelSettingsSchema>;

/** Shares that a canary goes through; the last one stays where it names no minutes. */
export const rampStepsSchema = z
  .array(
    z.object({
      /** Percent of conversations. */
      share: z.number().min(0.1).max(100),
      minutes: z.int().min(1).max(60_000).nullable(),
    }),
  )
  .min(1)
  .max(20)
  .refine(
    (steps) => steps.every((step, i) => i === 0 || step.share > (steps[i - 1]?.share ?? 0)),
    "The shares of a ramp grow.",
  )
  .refine(
    (steps) => steps.every(({ minutes }, i) => i === steps.length - 1 || minutes !== null),
    "Every share but the last names its minutes.",
  );
export type RampSteps = z.infer<typeof rampStepsSchema>;

/** Where a canary stands on its way. */
export const rampSchema = z.object({ steps: rampStepsSchema, step: z.int(), since: z.coerce.date() });
export type Ramp = z.infer<typeof rampSchema>;

export const defaultRamp: RampSteps = [
  { share: 5, minutes: 60 },
  { share: 25, minutes: null },
];
