/** @file Figures of reward reports in words: a share never without its interval and its n. */

import type { ForestRow } from "@/app/_components/forest-plot";
import type { RewardFigure, RewardReport } from "@/app/_lib/api-types";
import { percent } from "@/app/_lib/describe-share";
import { plural } from "@/app/_lib/format";

/** "72.6 % [70.1, 75.0]". */
export function describeFigure({ share, interval }: Pick<RewardFigure, "share" | "interval">): string {
  if (share === null) return "–";
  return `${percent(share)} %${interval ? ` [${percent(interval.low)}, ${percent(interval.high)}]` : ""}`;
}

/** "+6.1 points [4.0, 8.2]": a difference of shares. */
export function describeDifference({ share, interval }: Pick<RewardFigure, "share" | "interval">): string {
  if (share === null) return "–";
  const signed = (value: number) => `${value < 0 ? "−" : "+"}${percent(Math.abs(value))}`;
  const range = interval ? ` [${signed(interval.low)}, ${signed(interval.high)}]` : "";
  return `${signed(share)} points${range}`;
}

export function describeN({ pairs, prompts, interval }: RewardFigure): string {
  const counts = `${plural(pairs, "pair", "pairs")}, ${plural(prompts, "prompt", "prompts")}`;
  return interval ? counts : `${counts}; too few for an interval`;
}

export function describeProbes(passes: boolean | null): string {
  return passes === null ? "not tried" : passes ? "passed" : "failed";
}

export const probeNames: Record<NonNullable<RewardReport["probes"]>["kinds"][number]["kind"], string> = {
  empty: "Empty response",
  repeatedWord: "One word repeated",
  thanks: "“Thanks”",
  copiedPrompt: "The prompt copied",
  refusal: "Refusal of anything",
  confidentNonsense: "Confident nonsense",
  endlessList: "Endless list",
};

/** None where there is no pair. */
export function forestRow(name: string, figure: RewardFigure, mark: ForestRow["mark"]): ForestRow[] {
  if (figure.share === null) return [];
  const { low = null, high = null } = figure.interval ?? {};
  return [{ name, mark, share: figure.share, low, high, n: describeN(figure) }];
}

/** Of the reward model in use. */
export function describeUnscored(unscored: number): string {
  return unscored === 0
    ? "No ranking waits to be scored."
    : `${plural(unscored, "ranking waits", "rankings wait")} to be scored; until then no dataset takes ${unscored === 1 ? "it" : "them"} in.`;
}
