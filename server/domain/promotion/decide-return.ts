/** @file Whether a new policy does so much worse among people than the one before that it is taken back: a rule over counts. */
import { type Count, eValueAbove } from "@/model/eval/two-proportions";
import type { WatchSettings } from "./channel-settings";

/** What people made of one policy in the time it is watched. */
export type Arm = {
  /** Thumbs down of all thumbs, one a conversation. */
  thumbsDown: Count;
  /** Answers that failed of all that ended. */
  errors: Count;
  /** Median milliseconds a token from the question to the end of the answer; null without answers. */
  msPerToken: number | null;
  /** Answers that `msPerToken` is taken from. */
  answers: number;
};

export type WatchFinding = {
  what: "thumbs" | "errors" | "latency";
  isWorse: boolean;
  /** The figures in words. */
  says: string;
  /** Of thumbs and errors: the e-value against "not worse", and where it ends the watch. */
  eValue: number | null;
  limit: number;
};

/**
 * It is asked again and again while answers come in: thumbs and errors by a test that allows it (see `eValueAbove`), latency by
 * a ratio of medians over enough answers.
 */
export function watchPolicy(policy: Arm, before: Arm, settings: WatchSettings): WatchFinding[] {
  return [
    compare("thumbs", policy.thumbsDown, before.thumbsDown, { ...settings, margin: settings.thumbsMargin }),
    compare("errors", policy.errors, before.errors, { ...settings, margin: settings.errorsMargin }),
    compareLatency(policy, before, settings),
  ];
}

/** What takes it back; null: nothing. */
export const decideReturn = (findings: readonly WatchFinding[]): WatchFinding | null =>
  findings.find(({ isWorse }) => isWorse) ?? null;

const names = { thumbs: "thumbs down", errors: "failed answers" } as const;

function compare(
  what: "thumbs" | "errors",
  policy: Count,
  before: Count,
  { alpha, margin }: { alpha: number; margin: number },
): WatchFinding {
  const eValue = eValueAbove(policy, before, margin);
  const limit = 1 / alpha;
  const says = `${names[what]} ${count(policy)} against ${count(before)}`;
  return { what, isWorse: eValue >= limit, says, eValue, limit };
}

function compareLatency(
  policy: Arm,
  before: Arm,
  { latencyRatio, latencyAnswers }: WatchSettings,
): WatchFinding {
  const ratio =
    policy.msPerToken !== null && before.msPerToken !== null && before.msPerToken > 0
      ? policy.msPerToken / before.msPerToken
      : null;
  const isEnough = Math.min(policy.answers, before.answers) >= latencyAnswers;
  const says =
    ratio === null ? "time a token: not measured" : `time a token ${ratio.toFixed(2)} times that before`;
  return {
    what: "latency",
    isWorse: isEnough && ratio !== null && ratio > latencyRatio,
    says,
    eValue: null,
    limit: latencyRatio,
  };
}

const count = ({ hits, n }: Count) =>
  n === 0 ? "none of 0" : `${hits} of ${n} (${((hits / n) * 100).toFixed(1)} %)`;
