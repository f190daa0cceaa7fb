/** @file What in a reward report asks for a second look, as plain sentences with what to do about it. */
import { probeRules } from "./probes";
import type { RewardReport } from "./report";

/** The gravest first: in this order they are shown. */
export const warningKinds = [
  "leak",
  "aboveCeiling",
  "probes",
  "noBetterThanLength",
  "heldOutLower",
  "calibration",
  "notHeldOut",
  "fewPrompts",
] as const;
export type WarningKind = (typeof warningKinds)[number];
export type RewardWarning = { kind: WarningKind; text: string };

type Facts = Pick<RewardReport, "main" | "heldOutGroup" | "leaks" | "probes" | "isHeldOut">;

/** Points above people's agreement that ask for an explanation where no interval can be given. */
const farAboveCeiling = 0.05;
const highCalibrationError = 0.1;
/** Half of the interval, in points: beyond it two reward models can hardly be told apart. */
const wideInterval = 0.1;

export function warningsOf(facts: Facts): RewardWarning[] {
  return warningKinds.flatMap((kind) => {
    const text = rules[kind](facts);
    return text === null ? [] : [{ kind, text }];
  });
}

const rules: Record<WarningKind, (facts: Facts) => string | null> = {
  leak: ({ leaks }) => {
    if (!leaks || leaks.prompts + leaks.responses === 0) return null;
    return (
      `Of ${leaks.checked} held-out prompts ${leaks.prompts} are in the training part too, and ${leaks.responses} share a ` +
      "response with it. Accuracy is too good by that: split so that near-duplicates stay together, and train again."
    );
  },
  aboveCeiling: ({ main: { ceiling } }) => {
    if (!ceiling || ceiling.accuracy.share === null) return null;
    const low = ceiling.accuracy.interval?.low ?? ceiling.accuracy.share - farAboveCeiling;
    if (low <= (ceiling.interval?.high ?? ceiling.agreement)) return null;
    return (
      `Accuracy is ${percent(ceiling.accuracy.share)} where people agree with each other on ${percent(ceiling.agreement)}. ` +
      `Even a model that knows what most people prefer would hardly pass ${percent(attainable(ceiling.agreement))}: look for a ` +
      "leak, or for responses that give away their rank."
    );
  },
  probes: ({ probes }) => {
    const failed = probes?.kinds.filter(({ passes }) => !passes) ?? [];
    if (!probes || failed.length === 0) return null;
    const list = failed.map(({ kind, ofBest }) => `${probeRules[kind].label} ${percent(ofBest.share)}`);
    return (
      `Degenerate responses outscore what people ranked first too often (${list.join(", ")}; at most ` +
      `${percent(probes.threshold)} passes). PPO would learn to write them: add such responses to the rankings, or more data.`
    );
  },
  noBetterThanLength: ({ main: { length } }) => {
    const { share, interval } = length.margin;
    if (share === null || (interval ? interval.low > 0 : share > 0)) return null;
    return (
      `“The longer wins” is right on ${percent(length.longerWins.share)} of the pairs, and the reward model is not surely ` +
      "better. It may only measure length: rank more prompts where the shorter response is the better one."
    );
  },
  heldOutLower: ({ main, heldOutGroup }) => {
    const [own, other] = [main.accuracy, heldOutGroup?.accuracy];
    if (!own.interval || !other?.interval || other.interval.high >= own.interval.low) return null;
    return (
      `The held-out group agrees with it on ${percent(other.share)} of its pairs, the others on ${percent(own.share)}: it has ` +
      "learned these labelers' taste. Let more people label before optimising against it."
    );
  },
  calibration: ({ main: { calibration } }) => {
    if (calibration.error === null || calibration.error <= highCalibrationError) return null;
    return (
      `Its margins are off by ${percent(calibration.error)} on average from how often people agree. The order may still be ` +
      "right; a large margin is no sign of certainty."
    );
  },
  notHeldOut: ({ isHeldOut }) =>
    isHeldOut === false
      ? "These prompts were trained on, so that every figure is too good. Score prompts that were held out."
      : null,
  fewPrompts: ({ main: { accuracy } }) => {
    const half = accuracy.interval && (accuracy.interval.high - accuracy.interval.low) / 2;
    if (half !== null && half <= wideInterval) return null;
    return (
      `${accuracy.prompts} prompts with an order to compare are few: accuracy ` +
      `${half === null ? "has no interval" : `is known to ±${percent(half)} only`}. Rank more prompts that are held out.`
    );
  },
};

/**
 * People who each choose the common preference with probability p agree on a = p^2 + (1 - p)^2 of the pairs, and who knows
 * that preference is right on p of them: p = (1 + sqrt(2 a - 1)) / 2.
 */
export function attainable(agreement: number): number {
  return (1 + Math.sqrt(Math.max(0, 2 * agreement - 1))) / 2;
}

const percent = (share: number | null) => (share === null ? "unknown" : `${(share * 100).toFixed(1)} %`);
