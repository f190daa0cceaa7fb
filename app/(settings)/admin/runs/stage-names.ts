/** @file Stages by the names people know them by. */
import type { RunSummary } from "@/app/_lib/api-types";

export type Stage = RunSummary["stage"];

export const stageNames: Record<Stage, string> = {
  pretrain: "Pretraining",
  sft: "SFT",
  reward: "Reward model",
  ppo: "PPO",
  eval: "Evaluation",
};

export const stageTexts: Record<Stage, string> = {
  pretrain: "Learns a language from plain documents, from nothing.",
  sft: "Learns to answer like the demonstrations: prompts with good responses.",
  reward: "Learns from rankings which response people prefer.",
  ppo: "Learns to be preferred, by the reward model's scores.",
  eval: "Measures a checkpoint and changes nothing.",
};
