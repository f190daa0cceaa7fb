/** @file Kinds of datasets in words. */
import type { Dataset } from "@/app/_lib/api-types";

type Kind = Dataset["kind"];

export const kindNames: Record<Kind, string> = {
  demonstrations: "Demonstrations",
  documents: "Documents",
  rankings: "Rankings",
  prompts: "Prompts",
};

export const kindTexts: Record<Kind, string> = {
  demonstrations: 'A line holds "prompt" and "response", or "messages": for SFT.',
  documents: 'A line holds "text": for pretraining, or to mix into SFT and PPO.',
  rankings: 'A line holds "prompt", "responses" and "rankings": for reward models.',
  prompts: 'A line holds "prompt", text or a conversation: for PPO.',
};
