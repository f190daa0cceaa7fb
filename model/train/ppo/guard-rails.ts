/** @file What pauses a run of PPO: each rule's fact, in a sentence, with the remedy. Decides by an iteration's metrics alone. */
import type { PpoConfig } from "../ppo-config";
import { PausedError } from "../run-loop";
import { mean } from "./metrics";

export type GuardRule = keyof PpoConfig["guards"] | "firstRatio" | "samplerGap";

/** A guard rail stopped the run; everything is saved. */
export class GuardRailError extends PausedError {
  override readonly name = "GuardRailError";
  constructor(
    readonly rule: GuardRule,
    /** The fact and its remedy, without what a command line can do about it. */
    readonly finding: string,
  ) {
    super(
      `${finding} The run is paused and saved: the same command goes on and accepts this, until it gets clearly worse; a kept checkpoint from before it can be promoted as it is.`,
    );
  }
}

/** What the rules compare with the first iteration. */
export type Watched = Record<
  "klK3" | "entropy" | "responseTokens" | "endedShare" | "repetition" | "firstRatioGap",
  number
>;
type Now = Watched & { samplerGapMax: number };

export type GuardHistory = {
  /** Of the first iteration, when the policy still was its reference; null before it. */
  first: Watched | null;
  /** Mean scores of the iterations so far, the newest last. */
  scores: readonly number[];
  /** Of what watches, beside them; or of held-out prompts, where there is no judge. Null: not measured in that iteration. */
  judged: readonly (number | null)[];
  /** How bad a rule was when a person went on: it speaks again at a quarter more. */
  accepted: Readonly<Partial<Record<GuardRule, number>>>;
};

type Finding = {
  /** Larger is worse; compared with what was accepted. */
  severity: number;
  message: string;
};

/** Bounds of numerics, not of learning: see docs/ppo.md. */
export const firstRatioLimit = 1e-3;
/** Of what samples in single precision, as rollouts here do: of any token. */
export const samplerGapLimit = 1e-3;

/** The first rule that is broken and not accepted; null: none. */
export function brokenGuard(
  now: Now,
  history: GuardHistory,
  guards: PpoConfig["guards"],
): { rule: GuardRule; severity: number; error: GuardRailError } | null {
  for (const [rule, find] of Object.entries(rules) as [GuardRule, Rule][]) {
    const finding = find(now, history, guards);
    if (finding === null || finding.severity <= 1.25 * (history.accepted[rule] ?? 0)) continue;
    return { rule, severity: finding.severity, error: new GuardRailError(rule, finding.message) };
  }
  return null;
}

type Rule = (now: Now, history: GuardHistory, guards: PpoConfig["guards"]) => Finding | null;

const rules: { [R in GuardRule]: Rule } = {
  firstRatio: ({ firstRatioGap }) =>
    firstRatioGap <= firstRatioLimit
      ? null
      : {
          severity: firstRatioGap,
          message: `Before its first update the policy differs from itself: the largest ratio is off by ${firstRatioGap.toExponential(1)}, above ${firstRatioLimit}. Something computes two ways; please report it.`,
        },
  samplerGap: ({ samplerGapMax }) =>
    samplerGapMax <= samplerGapLimit
      ? null
      : {
          severity: samplerGapMax,
          message: `What samples and what learns do not compute the same policy: the log-probability of a sampled token differs by ${samplerGapMax.toExponential(1)} nats between them, above ${samplerGapLimit}. The policy would learn from responses that are not its own; please report it.`,
        },
  klBudget: ({ klK3 }, _, { klBudget }) =>
    klBudget === null || klK3 <= klBudget
      ? null
      : {
          severity: klK3,
          message: `Responses are ${klK3.toFixed(1)} nats from the reference on average, above the budget of ${klBudget}: the policy may be using weaknesses of the reward model. Compare the score with the held-out one; start again with a higher beta, or a lower lr.`,
        },
  entropyFloor: ({ entropy }, { first }, { entropyFloor }) => {
    if (entropyFloor === null || first === null || entropy >= entropyFloor * first.entropy) return null;
    return {
      severity: first.entropy / Math.max(entropy, 1e-9),
      message: `The policy hardly varies any more: ${entropy.toFixed(2)} nats of entropy a token, ${first.entropy.toFixed(2)} at first. It has settled on a few answers. Start again with a higher beta, or a lower lr.`,
    };
  },
  lengthDrift: ({ responseTokens }, { first }, { lengthDrift }) => {
    if (lengthDrift === null || first === null) return null;
    const factor = responseTokens / first.responseTokens;
    const drift = Math.max(factor, 1 / factor);
    if (drift <= lengthDrift) return null;
    return {
      severity: drift,
      message: `Responses have become ${factor > 1 ? "longer" : "shorter"}: ${responseTokens.toFixed(0)} tokens, ${first.responseTokens.toFixed(0)} at first. A reward model often likes a length rather than what is said. Look at the reward model's length correlation, and read some episodes.`,
    };
  },
  endedFloor: ({ endedShare }, { first }, { endedFloor }) => {
    if (endedFloor === null || first === null || endedShare >= endedFloor * first.endedShare) return null;
    return {
      severity: first.endedShare / Math.max(endedShare, 1e-9),
      message: `Only ${percent(endedShare)} of responses end by themselves, ${percent(first.endedShare)} at first. Give them more responseTokens, or let unfinishedScore cost more.`,
    };
  },
  repetition: ({ repetition }, { first }, { repetition: limit }) => {
    if (limit === null || first === null || repetition <= Math.max(limit, first.repetition)) return null;
    return {
      severity: repetition,
      message: `Responses repeat themselves: ${percent(repetition)} of their word triples were there before, ${percent(first.repetition)} at first. The reward model does not mind; add a part of rules with noRepetition, or rank such responses.`,
    };
  },
  flatJudge: (_, { scores, judged }, { flatJudge }) => {
    if (flatJudge === null) return null;
    const length = watchedIterations(judged, flatJudge);
    if (length === null) return null;
    const score = rise(scores.slice(-length));
    const judge = rise(judged.slice(-length).flatMap((value) => value ?? []));
    // In standard errors: a rise beyond doubt, beside none.
    if (score.t < 3 || judge.t > 0) return null;
    return {
      severity: score.t,
      message: `Over ${length} iterations the score rose by ${score.by.toFixed(2)} while what watches it went from ${judge.from.toFixed(2)} to ${(judge.from + judge.by).toFixed(2)}: the policy gets better at the reward model, not at what it stands for. Collect rankings of this policy's responses and train a new reward model.`,
    };
  },
};

/** The last iterations, at least so many, in which the judge was asked often enough; null: it was not. */
function watchedIterations(judged: GuardHistory["judged"], least: number): number | null {
  const asked = judged.flatMap((value, at) => (value === null ? [] : at));
  const first = asked.at(-leastMeasurements);
  if (judged.length < least || first === undefined) return null;
  return Math.max(least, judged.length - first);
}

/** Two before and two after. */
const leastMeasurements = 4;

/** From the first half to the second: the difference of means, and that in standard errors. */
function rise(values: readonly number[]): { from: number; by: number; t: number } {
  const middle = Math.floor(values.length / 2);
  const halves = [values.slice(0, middle), values.slice(middle)] as const;
  const [from, to] = [mean(halves[0]), mean(halves[1])];
  const errorSquared = halves.reduce((sum, half) => {
    const m = mean(half);
    const variance =
      half.reduce((total, value) => total + (value - m) ** 2, 0) / Math.max(1, half.length - 1);
    return sum + variance / half.length;
  }, 0);
  return { from, by: to - from, t: (to - from) / Math.sqrt(errorSquared + 1e-12) };
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
