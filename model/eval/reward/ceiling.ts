/** @file How far people agree with each other on what a reward model is tested with: nobody can be asked to agree more. */
import { agreementOf, type LabelerRanking, labelersOf, meetingsBetween } from "../agreement";
import { type BootstrapOptions, fewestUnits, type Interval } from "../bootstrap";
import { createRanking } from "../ranking";
import { accuracyOf, type Figure } from "./accuracy";
import { type ScoredPair, type ScoredPrompt, scoredPairs } from "./scored-prompt";

export type Ceiling = {
  /** Share of pairs that two people order alike; pairs that either of them tied are left out. */
  agreement: number;
  interval: Interval | null;
  /** What the interval resamples: labelers, or prompts where labelers are unnamed or too few. */
  unit: "labelers" | "prompts";
  pairs: number;
  prompts: number;
  /** The reward model's accuracy on the prompts that several people ranked: what to compare the agreement with. */
  accuracy: Figure;
};

/** @returns null where no two people ordered the same pair */
export function ceilingOf(prompts: readonly ScoredPrompt[], options: BootstrapOptions): Ceiling | null {
  const rankings = prompts.flatMap(rankingsOf);
  const meetings = meetingsBetween(rankings);
  const named = new Set(meetings.flatMap(labelersOf));
  const byLabelers = named.size >= fewestUnits && ![...named].some(isUnnamed);
  const found = agreementOf(meetings, { ...options, unit: byLabelers ? "labelers" : "tasks" });
  if (found.share === null) return null;
  const met = new Set(meetings.map(({ task }) => Number(task)));
  const shared: ScoredPair[] = scoredPairs(prompts).pairs.filter(({ prompt }) => met.has(prompt));
  return {
    agreement: found.share,
    interval: found.interval,
    unit: byLabelers ? "labelers" : "prompts",
    pairs: found.pairs,
    prompts: met.size,
    accuracy: accuracyOf(shared, options),
  };
}

/** Two unnamed rankings of one prompt are two people's; across prompts nobody knows who is who. */
function rankingsOf({ responses, rankings }: ScoredPrompt, prompt: number): LabelerRanking[] {
  const ids = responses.map((_, place) => String(place));
  return rankings.map(({ ranks, labeler }, place) => ({
    task: String(prompt),
    labeler: labeler === null ? `${unnamed}${place}` : `named ${labeler}`,
    ranking: createRanking(ids, ranks),
    at: place,
  }));
}

const unnamed = "unnamed ";
const isUnnamed = (labeler: string) => labeler.startsWith(unnamed);
