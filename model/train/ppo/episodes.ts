/** @file An episode of PPO: a prompt, the response to it, and all that is known of it before the policy learns from it. */
import type { ResponseGroup } from "../../data/response-groups";
import type { GoldRule } from "../../eval/gold";
import type { ConversationMessage } from "../../tokenizer/render-conversation";
import type { SampleSource } from "../sample-text";
import { type Advantages, generalizedAdvantages, type Horizon, whiten } from "./advantages";
import { type KlEstimates, klEstimates, tokenRewards } from "./kl-penalty";
import type { SampledResponse } from "./rollouts";

export type PpoPrompt = {
  messages: readonly ConversationMessage[];
  /** As chat renders them. */
  tokens: readonly number[];
  rules: readonly GoldRule[] | null;
  source: SampleSource;
};

/** Nothing is judged yet. */
export type Rollout = SampledResponse & {
  prompt: PpoPrompt;
  /** Without its end token. */
  text: string;
};

export type Judged = Rollout & {
  /** Of each part by its name, and their weighted sum. */
  parts: Record<string, number>;
  score: number;
};

/** What each token got, under the models as they are at the beginning of the updates. (L) each. */
export type TokenReadings = { logprobs: Float32Array; refLogprobs: Float32Array; values: Float32Array };

export type Episode = Judged &
  TokenReadings &
  Advantages & {
    /** The score as the policy learns it: shifted, scaled, clipped, or what stands for an end that did not come. */
    credit: number;
    /** (L) */
    rewards: Float64Array;
    kl: KlEstimates;
  };

export type CreditSettings = {
  scoreClip: number | null;
  unfinishedScore: number | null;
};

/** @param shift added to every score @param scale which it is then divided by */
export function creditOf(
  { score, isEnded }: Pick<Judged, "score" | "isEnded">,
  { shift, scale }: { shift: number; scale: number },
  { scoreClip, unfinishedScore }: CreditSettings,
): number {
  if (!isEnded && unfinishedScore !== null) return unfinishedScore;
  const shifted = (score + shift) / scale;
  return scoreClip === null ? shifted : Math.max(-scoreClip, Math.min(scoreClip, shifted));
}

/** From readings to what the updates take, advantages as they are. */
export function toEpisode(
  judged: Judged,
  readings: TokenReadings,
  { credit, beta, ...horizon }: { credit: number; beta: number } & Horizon,
): Episode {
  const rewards = tokenRewards(readings, { score: credit, beta });
  const kl = klEstimates(readings);
  return {
    ...judged,
    ...readings,
    credit,
    rewards,
    kl,
    ...generalizedAdvantages(rewards, readings.values, horizon),
  };
}

/** The same, advantages with mean 0 and deviation 1 over all tokens. */
export function whitenAdvantages(episodes: readonly Episode[]): Episode[] {
  const whitened = whiten(episodes.map(({ advantages }) => advantages));
  return episodes.map((episode, i) => ({ ...episode, advantages: whitened[i] ?? episode.advantages }));
}

/** Neighbours that answer the same prompt share it. */
export function groupsOf(episodes: readonly Pick<Judged, "prompt" | "tokens">[]): ResponseGroup[] {
  const groups: { prompt: PpoPrompt; responses: (readonly number[])[] }[] = [];
  for (const { prompt, tokens } of episodes) {
    const open = groups.at(-1);
    if (open?.prompt === prompt) open.responses.push(tokens);
    else groups.push({ prompt, responses: [tokens] });
  }
  return groups.map(({ prompt, responses }) => ({ prompt: prompt.tokens, responses }));
}
