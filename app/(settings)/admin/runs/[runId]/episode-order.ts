/** @file Episodes in the order a reader asks for, and their tokens with what stands behind each. Knows no server. */
import type { Episode } from "@/app/_lib/api-types";

export const orders = {
  rewardDown: "Reward, highest first",
  rewardUp: "Reward, lowest first",
  klDown: "KL, highest first",
  klUp: "KL, lowest first",
  lengthDown: "Length, longest first",
  lengthUp: "Length, shortest first",
} as const;
export type Order = keyof typeof orders;

const keyOf = {
  reward: ({ reward }: Episode) => reward,
  kl: ({ kl }: Episode) => kl,
  length: ({ tokens }: Episode) => tokens.length,
};

export function sortEpisodes(episodes: readonly Episode[], order: Order): Episode[] {
  const [, name = "reward", way = "Down"] = /^(\w+?)(Down|Up)$/.exec(order) ?? [];
  const key = keyOf[name as keyof typeof keyOf];
  const sign = way === "Down" ? -1 : 1;
  return episodes.toSorted((a, b) => sign * (key(a) - key(b)) || a.place - b.place);
}

export type TokenMeasure = "kl" | "value";
export type MeasuredToken = {
  at: number;
  text: string;
  kl: number;
  value: number;
  /** Of the measure shown, from -1 to 1 of the largest there is. */
  share: number;
};

export function measureTokens(
  { tokens, tokenKl, tokenValues }: Episode,
  measure: TokenMeasure,
): MeasuredToken[] {
  const shown = measure === "kl" ? tokenKl : tokenValues;
  const most = Math.max(1e-9, ...shown.map(Math.abs));
  return tokens.map((text, at) => ({
    at,
    text,
    kl: tokenKl[at] ?? 0,
    value: tokenValues[at] ?? 0,
    share: (shown[at] ?? 0) / most,
  }));
}
