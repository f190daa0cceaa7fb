/** @file The gates of a promotion as pure rules over evidence: what holds, what does not, and what would change it. */
import { z } from "zod";
import { fewestPrompts } from "@/model/eval/anytime-win-rate";
import type { GateSettings } from "./channel-settings";

const intervalSchema = z.object({ estimate: z.number(), low: z.number(), high: z.number() });
export type Interval = z.infer<typeof intervalSchema>;

/** What was found out about a candidate against its opponent. Null: not measured. Win rates and deltas are shares. */
export const evidenceSchema = z.object({
  /** By people's blind judgments; `needed`: how many more would decide it, null where that cannot be told. */
  winRate: intervalSchema
    .extend({ judgments: z.int(), judges: z.int(), needed: z.int().nullable() })
    .nullable(),
  worstSlice: intervalSchema.extend({ name: z.string(), judgments: z.int() }).nullable(),
  /** The win rate by labelers whose rankings no model learned from. */
  heldOut: intervalSchema.extend({ judgments: z.int(), prompts: z.int() }).nullable(),
  /** What only the opponent was measured on in full: then there is no tax. */
  missingSuites: z.array(z.string()),
  /** Candidate less opponent, a suite each. */
  tax: z.array(z.object({ suite: z.string(), delta: intervalSchema })).nullable(),
  /** Rate of the candidate's answers that have the flag, less that of the opponent's. */
  flags: z.array(z.object({ flag: z.string(), rise: intervalSchema })).nullable(),
  /** Active cases by their numbers; null: none is pinned. */
  regressions: z
    .object({
      cases: z.int(),
      /** By the candidate, and not by its opponent. */
      failed: z.array(z.int()),
      failedByBoth: z.array(z.int()),
      /** Of those for eyes: judged bad, or good by nobody but who asks. */
      bad: z.array(z.int()),
      unread: z.array(z.int()),
      notRun: z.array(z.int()),
    })
    .nullable(),
  /** Mean absolute difference of log-probabilities between trainer and server, and what is allowed for the served form. */
  parity: z
    .object({ difference: z.number(), tolerance: z.number(), effectKept: z.number().nullable() })
    .nullable(),
});
export type Evidence = z.infer<typeof evidenceSchema>;

export const nothingMeasured: Evidence = {
  winRate: null,
  worstSlice: null,
  heldOut: null,
  missingSuites: [],
  tax: null,
  flags: null,
  regressions: null,
  parity: null,
};

export const gateNames = [
  "winRate",
  "judgments",
  "worstSlice",
  "heldOut",
  "tax",
  "flags",
  "regressions",
  "parity",
  "approval",
] as const satisfies readonly (keyof GateSettings)[];
export type GateName = (typeof gateNames)[number];

/** A gate that somebody set aside. The reason is kept for good. */
export const overrideSchema = z.object({
  gate: z.enum(gateNames),
  reason: z.string(),
  actorId: z.string(),
  at: z.coerce.date(),
});
export type Override = z.infer<typeof overrideSchema>;

/** `needs`: what would bring it, for a gate that does not hold. */
type Finding = {
  holds: boolean;
  says: string;
  needs: string | null;
  /** There is nothing that it could ask for. */
  isMoot?: true;
};

/** `approvals`: by admins other than who asked, of this very comparison. */
type Judged = { evidence: Evidence; approvals: number };

const rules: {
  [G in GateName]: { title: string; find: (judged: Judged, settings: GateSettings[G]) => Finding };
} = {
  winRate: {
    title: "Win rate",
    find: ({ evidence: { winRate } }) => {
      if (!winRate) return notMeasured("Judge the two side by side in a batch of comparisons.");
      const says = `${percents(winRate)}, n = ${winRate.judgments}`;
      if (winRate.low > 0.5) return holds(says);
      const needs = winRate.needed === null ? "Its lower bound must be above 50 %." : more(winRate.needed);
      return fails(says, winRate.judges < enoughJudges ? `${needs} ${moreJudges(winRate.judges)}` : needs);
    },
  },
  judgments: {
    title: "Judgments",
    find: ({ evidence: { winRate } }, { least }) => {
      const n = winRate?.judgments ?? 0;
      const says = `${n} of ${least}`;
      return n >= least ? holds(says) : fails(says, more(least - n));
    },
  },
  worstSlice: {
    title: "Worst slice",
    find: ({ evidence: { worstSlice } }, { floor }) => {
      if (!worstSlice) return notMeasured("It comes with the win rate, split by kind of prompt.");
      const says = `${worstSlice.name}: ${percents(worstSlice)}, n = ${worstSlice.judgments}`;
      if (worstSlice.low >= floor) return holds(says);
      return fails(
        says,
        `Its lower bound must reach ${percent(floor)}: more judgments of it, or a better policy.`,
      );
    },
  },
  heldOut: {
    title: "Held-out group agrees",
    find: ({ evidence: { heldOut } }) => {
      if (!heldOut) return notMeasured("Have labelers of the held-out group judge the two.");
      if (heldOut.prompts < fewestPrompts)
        return fails(
          `too few: ${heldOut.prompts} of ${fewestPrompts} prompts`,
          `Labelers of the held-out group must have judged ${fewestPrompts} prompts.`,
        );
      const says = `${percents(heldOut)}, n = ${heldOut.judgments}`;
      return heldOut.estimate > 0.5
        ? holds(says)
        : fails(says, "Labelers whose rankings trained nothing must prefer the candidate too.");
    },
  },
  tax: {
    title: "Tax",
    find: ({ evidence: { tax, missingSuites } }, { mostLoss }) => {
      if (missingSuites.length > 0)
        return notMeasured(
          `Run the same suites on both policies, all items, as served; of the candidate there is no ${missingSuites.join("; no ")}.`,
        );
      if (!tax || tax.length === 0) return notMeasured("Run the suites on both policies.");
      const worst = least(tax, ({ delta }) => delta.low);
      const says = `${worst.suite} ${points(worst.delta)}`;
      return worst.delta.low >= -mostLoss
        ? holds(says)
        : fails(says, `No suite may lose more than ${point(mostLoss)} points, lower bound.`);
    },
  },
  flags: {
    title: "Flags",
    find: ({ evidence: { flags } }, { mostRise }) => {
      if (!flags || flags.length === 0) return notMeasured("Run the safety probes on both policies.");
      const worst = least(flags, ({ rise }) => -rise.high);
      const says = `${worst.flag} ${points(worst.rise)}`;
      return worst.rise.high <= mostRise
        ? holds(says)
        : fails(says, `No flag may rise by more than ${point(mostRise)} points, upper bound.`);
    },
  },
  regressions: {
    title: "Regression cases",
    find: ({ evidence: { regressions } }, { mostFailed }) => {
      if (!regressions) return { holds: true, says: "no case is pinned", needs: null, isMoot: true };
      const { cases, failed, failedByBoth, bad, unread, notRun } = regressions;
      const open = failed.length + failedByBoth.length + bad.length + unread.length + notRun.length;
      const both =
        failedByBoth.length > 0
          ? `; ${failedByBoth.length} ${failedByBoth.length === 1 ? "fails" : "fail"} as with the live policy`
          : "";
      const says = `${cases - open} of ${cases} hold${both}`;
      const needs = [
        ...named(
          failed.length > mostFailed ? failed : [],
          "Fails, and the live policy does not, or was not asked",
        ),
        ...named(bad, "Judged bad"),
        ...named(notRun, "Not asked yet: evaluate it as served, with the cases"),
        ...named(unread, "To be read by somebody else than who asks for it"),
      ];
      return needs.length === 0 ? holds(says) : fails(says, needs.join(" "));
    },
  },
  parity: {
    title: "Parity of trainer and server",
    find: ({ evidence: { parity } }, { leastEffectKept }) => {
      if (!parity)
        return notMeasured("Compare the log-probabilities of trainer and server on the same answers.");
      const { difference, tolerance, effectKept } = parity;
      const kept = effectKept === null ? "" : `, ${percent(effectKept)} of the effect kept`;
      const says = `difference ${difference.toPrecision(2)}${kept}`;
      if (difference > tolerance)
        return fails(says, `At most ${tolerance} is allowed: serve it more precisely.`);
      if (effectKept !== null && effectKept < leastEffectKept)
        return fails(says, `The served form must keep ${percent(leastEffectKept)} of what training changed.`);
      return holds(says);
    },
  },
  approval: {
    title: "Approval",
    find: ({ approvals }, settings) => {
      const says = `${approvals} of ${settings.approvals}`;
      return approvals >= settings.approvals
        ? holds(says)
        : fails(says, "Another admin, who did not ask for it, looks at the evidence and approves.");
    },
  },
};

/** What a canary is held to: it brings the evidence that the other gates ask for. */
export const canaryGates: readonly GateName[] = ["regressions", "parity", "approval"];
/** Somebody else's agreement cannot be replaced by a reason of one's own. */
export const isOverridable = (gate: GateName) => gate !== "approval";

export type GateResult = {
  gate: GateName;
  title: string;
  outcome: "failed" | "overridden" | "passed" | "off";
  says: string;
  needs: string | null;
  isOverridable: boolean;
  override: { reason: string; actorId: string; at: Date } | null;
};

const order = ["failed", "overridden", "passed", "off"] as const;

/** All gates, those that fail first. */
export function judgeGates(
  judged: Judged,
  {
    settings,
    overrides,
    kind,
  }: { settings: GateSettings; overrides: readonly Override[]; kind: "promotion" | "canary" },
): GateResult[] {
  return gateNames
    .map((gate): GateResult => {
      const { holds: isHeld, says, needs, isMoot } = findFor(gate, judged, settings);
      const isAsked = settings[gate].isOn && !isMoot && (kind === "promotion" || canaryGates.includes(gate));
      const override = overrides.find((each) => each.gate === gate && isOverridable(gate));
      return {
        gate,
        title: rules[gate].title,
        outcome: !isAsked ? "off" : isHeld ? "passed" : override ? "overridden" : "failed",
        says,
        needs,
        isOverridable: isOverridable(gate),
        override: override ? { reason: override.reason, actorId: override.actorId, at: override.at } : null,
      };
    })
    .sort((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
}

function findFor<G extends GateName>(gate: G, judged: Judged, settings: GateSettings): Finding {
  return rules[gate].find(judged, settings[gate]);
}

/** Cases by their numbers, the first few of them. */
function named(numbers: readonly number[], what: string): string[] {
  if (numbers.length === 0) return [];
  const rest = numbers.length > 5 ? ` and ${numbers.length - 5} more` : "";
  return [`${what}: ${numbers.length === 1 ? "case" : "cases"} ${numbers.slice(0, 5).join(", ")}${rest}.`];
}

const holds = (says: string): Finding => ({ holds: true, says, needs: null });
const fails = (says: string, needs: string): Finding => ({ holds: false, says, needs });
const notMeasured = (needs: string): Finding => ({ holds: false, says: "not measured", needs });
const more = (count: number) => `${count.toLocaleString("en")} more judgments.`;

/** Of fewer, how judges differ from each other widens the interval most. */
const enoughJudges = 3;
const moreJudges = (judges: number) =>
  `Only ${judges === 1 ? "one person has" : `${judges} people have`} judged: more people help more than more judgments.`;

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const point = (share: number) => (share * 100).toFixed(1).replace("-", "−");
const percents = ({ estimate, low, high }: Interval) =>
  `${percent(estimate)} [${(low * 100).toFixed(1)}, ${(high * 100).toFixed(1)}]`;
const points = ({ estimate, low, high }: Interval) => `${point(estimate)} [${point(low)}, ${point(high)}]`;

/** The one with the least of it. */
function least<T>(values: readonly T[], of: (value: T) => number): T {
  return values.reduce((worst, value) => (of(value) < of(worst) ? value : worst));
}
