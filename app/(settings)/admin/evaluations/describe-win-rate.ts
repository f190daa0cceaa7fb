/** @file Win rates in words: what was counted, who judged, what is still open, and which prompts a slice holds. */
import type { ForestRow } from "@/app/_components/forest-plot";
import type { JudgeKey, PolicySlice, WinRate, WinRateFigure } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { sourceNames } from "@/app/_lib/prompt-names";

export function describeCounts({ judgments, prompts, judges, ...of }: WinRateFigure): string {
  const who = judges === 1 ? "1 judge" : `${judges.toLocaleString("en")} judges`;
  return `${plural(judgments, "judgment", "judgments")} of ${plural(prompts, "prompt", "prompts")} by ${who}: ${describeVerdicts(of)}`;
}

const describeVerdicts = ({
  wins,
  losses,
  ties,
  bothBad,
}: Omit<WinRateFigure, "judgments" | "prompts" | "judges">) =>
  [
    plural(wins, "win", "wins"),
    plural(losses, "loss", "losses"),
    plural(ties, "tie", "ties"),
    `${bothBad.toLocaleString("en")} both bad`,
  ].join(", ");

/** Below so many prompts the interval is everything there is. */
const fewestPrompts = 20;

/** What the interval says by now, or what it lacks. */
export function describeDecision({ low, high, needed, prompts }: WinRateFigure): string {
  if (low > 0.5) return "Decided: the candidate is preferred.";
  if (high < 0.5) return "Decided: the candidate is not preferred.";
  if (prompts < fewestPrompts) {
    return `Open: an interval begins with ${fewestPrompts} judged prompts.`;
  }
  if (needed === null) {
    return "Open, and too close to call: more than a hundred times as many judgments would be needed.";
  }
  return `Open: about ${plural(needed, "more judgment decides", "more judgments decide")} it, should the rate stay as it is.`;
}

export const toRow = (name: string, figure: WinRateFigure, mark: ForestRow["mark"]): ForestRow => ({
  name,
  mark,
  share: figure.estimate,
  low: figure.low,
  high: figure.high,
  n: describeCounts(figure),
});

/** Labelers, and who chose in chat. */
export const isOfPeople = ({ kind }: JudgeKey) => kind === "labelers" || kind === "people";

/** A judge's own rows: over all, by group of labelers, at equal lengths. */
export function judgeRows(name: string, rate: WinRate): ForestRow[] {
  const { overall, training, heldOut, lengthControlled } = rate;
  if (!overall) return [];
  const mark = isOfPeople(rate.judge) ? "people" : "reference";
  const groups = training && heldOut ? [training, heldOut] : [];
  const [ofTraining, ofHeldOut] = groups;
  return [
    toRow(
      training === null && heldOut ? "Held-out labelers" : name,
      overall,
      training === null && heldOut ? "heldOut" : mark,
    ),
    ...(ofTraining ? [toRow("Training labelers", ofTraining, "people")] : []),
    ...(ofHeldOut ? [toRow("Held-out labelers", ofHeldOut, "heldOut")] : []),
    ...(lengthControlled
      ? [
          {
            name: `${name}, at equal lengths`,
            mark,
            share: lengthControlled.estimate,
            low: lengthControlled.interval?.low ?? null,
            high: lengthControlled.interval?.high ?? null,
            n: `the candidate’s answer is the longer one in ${Math.round(100 * lengthControlled.longerShare)} %; 95 % interval at one look, over prompts`,
          } as const,
        ]
      : []),
  ];
}

const kindNames: Record<PolicySlice["by"], string> = {
  source: "Source",
  script: "Writing system",
  turns: "Turns of the user",
  promptLength: "Prompt, characters",
  responseLength: "Answers, characters",
  reason: "Reason ticked in chat",
};

const reasonNames: Record<string, string> = {
  correct: "correct",
  helpful: "helpful",
  clear: "clear and well put",
  incorrect: "not correct",
  unhelpful: "did not help",
  instructions: "did not follow instructions",
  tooLong: "too long",
  tooShort: "too short",
  refused: "refused without need",
  unsafe: "harmful or unsafe",
};

export function sliceName({ by, value }: PolicySlice): string {
  const shown =
    by === "source"
      ? (sourceNames[value as keyof typeof sourceNames] ?? value)
      : by === "reason"
        ? (reasonNames[value] ?? value)
        : value;
  return `${kindNames[by]}: ${shown}`;
}
