/** @file The report that goes with each checkpoint of a reward model: how it does on what its run held out. */
import path from "node:path";
import type { RankedExample } from "../data/ranked-examples";
import type { RankedRow } from "../data/read-ranked-data";
import { findLeaks, type SplitItem } from "../eval/reward/leaks";
import { memberScoresAt } from "../eval/reward/member-spread";
import { makeRewardReport, type RewardReport } from "../eval/reward/report";
import { groupOf, scoreProbes, sourceOf, type TextScore } from "../eval/reward/score-rankings";
import type { ScoredPrompt } from "../eval/reward/scored-prompt";
import type { ConversationMessage } from "../tokenizer/render-conversation";
import type { ExampleScores } from "./reward-trainer";

/** A row with the tokens of those of its responses that were ranked, at `places` among all of them. */
export type PreparedRow = { row: RankedRow; example: RankedExample; places: readonly number[] };

export type RunReportInput = {
  training: readonly PreparedRow[];
  heldOut: readonly PreparedRow[];
  /** Of each of `heldOut`, its ranked responses. */
  scored: readonly ExampleScores[];
  scoreBias: number;
  /** (members) of an ensemble. */
  memberBiases: Float32Array | null;
  /** Without bias. */
  scoreTexts: (prompt: readonly ConversationMessage[], responses: readonly string[]) => Promise<TextScore[]>;
  /** Prompts on which probes are tried. */
  probePrompts: number;
  seed: number;
};

/**
 * Texts are named by place alone, as the data may be erased after the checkpoint is written. The same for the same weights
 * and data, so that a run that was interrupted ends with the same files.
 */
export async function reportOnRun(input: RunReportInput): Promise<RewardReport> {
  const { training, heldOut, scoreBias, probePrompts, seed } = input;
  const prompts = heldOut.map((prepared, at) => toScored(prepared, input.scored[at], input));
  const score: typeof input.scoreTexts = async (prompt, responses) =>
    (await input.scoreTexts(prompt, responses)).map((each) => ({ ...each, score: each.score + scoreBias }));
  const probed = await scoreProbes(prompts, score, { seed, most: probePrompts });
  return makeRewardReport({
    prompts,
    probed,
    leaks: findLeaks(training.map(toItem), prompts),
    checkpoint: null,
    madeAt: null,
    isHeldOut: true,
    seed,
    withTexts: false,
  });
}

export function toScored(
  { row: { record, file, line }, example, places }: PreparedRow,
  scored: ExampleScores | undefined,
  { scoreBias, memberBiases }: Pick<RunReportInput, "scoreBias" | "memberBiases">,
): ScoredPrompt {
  const owner = record.meta?.user;
  return {
    id: idOf({ record, file, line }),
    owner: typeof owner === "string" ? owner : null,
    source: sourceOf(record),
    prompt: record.prompt,
    responses: places.map((place, at) => ({
      place,
      text: record.responses[place]?.text ?? "",
      model: record.responses[place]?.model ?? null,
      score: (scored?.scores[at] ?? Number.NaN) + scoreBias,
      memberScores:
        memberBiases && scored?.memberScores ? memberScoresAt(scored.memberScores, at, memberBiases) : null,
      tokens: example.responses[at]?.length ?? 0,
    })),
    rankings: record.rankings.map((ranking) => ({
      ranks: places.map((place) => ranking.ranks[place] ?? null),
      labeler: ranking.labeler ?? null,
      group: groupOf(ranking),
    })),
    place: { file: path.basename(file), line },
  };
}

function toItem({ row }: PreparedRow): SplitItem {
  return { id: idOf(row), prompt: row.record.prompt, responses: row.record.responses };
}

const idOf = ({ record, file, line }: RankedRow) => record.id ?? `${path.basename(file)}:${line}`;
