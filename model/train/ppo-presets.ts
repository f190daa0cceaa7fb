/** @file Settings of PPO for three sizes of patience. How long each takes depends on the model and the machine. */
import type { z } from "zod";
import type { ppoConfigSchema } from "./ppo-config";

export type PpoPreset = {
  name: string;
  /** What one gets for the time. */
  text: string;
  /** Laid over the defaults. */
  settings: Partial<z.input<typeof ppoConfigSchema>>;
};

export const ppoPresets: PpoPreset[] = [
  {
    name: "minutes",
    text: "A look at whether it works at all: few and short rounds, evaluated often.",
    settings: {
      iterations: 10,
      episodesPerIteration: 32,
      minibatches: 4,
      warmupSteps: 3,
      criticWarmup: 1,
      evaluationPrompts: 16,
      evaluateEverySteps: 2,
      saveEverySteps: 2,
      beta: 0.05,
    },
  },
  {
    name: "hour",
    text: "Enough for a difference that people notice in short answers.",
    settings: { iterations: 40, beta: 0.05, evaluateEverySteps: 4, saveEverySteps: 4 },
  },
  {
    name: "night",
    text: "Larger rounds with less noise in each, and longer answers.",
    settings: {
      iterations: 120,
      episodesPerIteration: 128,
      responseTokens: 64,
      evaluateEverySteps: 5,
      saveEverySteps: 5,
      beta: 0.05,
    },
  },
];
