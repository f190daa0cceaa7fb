/** @file Some of an iteration's episodes with all that was known of them, for people to read. */
import type { Episode, PpoPrompt } from "./episodes";

/** One response with all that was known of it, for people to read. */
export type ShownEpisode = {
  prompt: string;
  /** Where the prompt was read. */
  source: PpoPrompt["source"];
  response: string;
  score: number;
  parts: Record<string, number>;
  reward: number;
  kl: number;
  isEnded: boolean;
  /** Of each token: its text, log p, log p - log p of the reference, and the value before it. */
  tokens: { text: string; logprob: number; kl: number; value: number }[];
};

/** Spread evenly over the iteration's rewards, the best and the worst included. @param spell a token as people read it */
export function showEpisodes(
  episodes: readonly Episode[],
  most: number,
  spell: (tokens: readonly number[]) => string,
): ShownEpisode[] {
  const sorted = episodes.toSorted((a, b) => rewardOf(b) - rewardOf(a));
  const count = Math.min(most, sorted.length);
  const last = Math.max(1, count - 1);
  const places = Array.from({ length: count }, (_, i) => Math.round((i * (sorted.length - 1)) / last));
  return places.flatMap((place) => sorted[place] ?? []).map((episode) => shown(episode, spell));
}

const rewardOf = ({ rewards }: Episode) => rewards.reduce((sum, reward) => sum + reward, 0);

function shown(episode: Episode, spell: (tokens: readonly number[]) => string): ShownEpisode {
  const { prompt, text, score, parts, kl, isEnded, logprobs, refLogprobs, values } = episode;
  const tokens = episode.tokens.map((token, t) => ({
    text: spell([token]),
    logprob: logprobs[t] ?? 0,
    kl: (logprobs[t] ?? 0) - (refLogprobs[t] ?? 0),
    value: values[t] ?? 0,
  }));
  const asked = prompt.messages.at(-1)?.content ?? "";
  return {
    prompt: asked,
    source: prompt.source,
    response: text,
    score,
    parts,
    reward: rewardOf(episode),
    kl: kl.k3,
    isEnded,
    tokens,
  };
}
