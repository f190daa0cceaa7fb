/** @file Rows of rankings as a reward model's run takes them: tokens and pairs, what is unfit by file and line, and what to say of it. */
import type { Checkpoint } from "../checkpoint/checkpoint";
import { type RankedExample, weighPairs } from "../data/ranked-examples";
import { readDemonstrations } from "../data/read-demonstrations";
import type { LineProblem } from "../data/read-lines";
import type { RankedRow } from "../data/read-ranked-data";
import { type RenderedGroup, renderGroup, UnfitTemplateError } from "../data/render-group";
import { ChatTemplateError } from "../tokenizer/chat-template";
import { type ConversationMessage, PromptTooLongError } from "../tokenizer/render-conversation";
import { UnfitBaseError } from "./open-base";
import type { RewardConfig } from "./reward-config";
import type { PreparedRow } from "./reward-run-report";
import { listProblems, refuseIf, UnfitDataError } from "./unfit-data";

/** Over all rankings that are used. */
export type RankingCounts = {
  pairs: number;
  ties: number;
  /** Prompts of which all responses are tied: they teach nothing and are left out. */
  tiedPrompts: number;
  /** Responses whose end was cut. */
  cutResponses: number;
};
type Unfit = LineProblem & { isLong: boolean };
type Prepared = Pick<RewardConfig, "onConflict" | "onLongResponse"> & { longestTokens: number };

export function toExamples(base: Checkpoint, rows: readonly RankedRow[], settings: Prepared) {
  const examples: PreparedRow[] = [];
  const unfit: Unfit[] = [];
  const counts: RankingCounts = { pairs: 0, ties: 0, tiedPrompts: 0, cutResponses: 0 };
  for (const row of rows) {
    const { record, file, line } = row;
    if (record.rankings.length === 0) {
      unfit.push({ file, line, reason: "has no ranking", isLong: false });
      continue;
    }
    const weighed = weighPairs(record, settings.onConflict);
    counts.ties += weighed.ties;
    if (weighed.pairs.length === 0) {
      counts.tiedPrompts++;
      continue;
    }
    // A response that nobody ranked is in no pair, and would be computed for nothing.
    const ranked = [...new Set(weighed.pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]))];
    ranked.sort((a, b) => a - b);
    const texts = ranked.map((place) => record.responses[place]?.text ?? "");
    const group = renderOrExplain(base, record.prompt, texts, settings.longestTokens);
    if ("reason" in group) {
      unfit.push({ file, line, reason: group.reason, isLong: true });
      continue;
    }
    const cut = group.cutTokens.filter((tokens) => tokens > 0).length;
    if (cut > 0 && settings.onLongResponse !== "cut") {
      const reason = `has ${cut} of ${texts.length} responses that do not fit beside the prompt in ${settings.longestTokens} tokens (longestTokens)`;
      unfit.push({ file, line, reason, isLong: true });
      continue;
    }
    counts.cutResponses += cut;
    counts.pairs += weighed.comparisons;
    const pairs = weighed.pairs.map(({ chosen, rejected, weight }) => {
      return { chosen: ranked.indexOf(chosen), rejected: ranked.indexOf(rejected), weight };
    });
    const { prompt, responses } = group;
    examples.push({ row, example: { ...weighed, prompt, responses, pairs }, places: ranked });
  }
  return { examples, unfit, counts };
}

/** @throws UnfitBaseError where the chat template is at fault, and so every row would be */
function renderOrExplain(
  base: Checkpoint,
  prompt: readonly ConversationMessage[],
  responses: readonly string[],
  longest: number,
): RenderedGroup | { reason: string } {
  try {
    return renderGroup(base, prompt, responses, longest);
  } catch (error) {
    if (error instanceof PromptTooLongError) return { reason: error.message };
    if (error instanceof ChatTemplateError) return { reason: `cannot be rendered: ${error.message}` };
    if (error instanceof UnfitTemplateError)
      throw new UnfitBaseError(`${base.folder}: ${error.message} Start from a model made for chat.`, {
        cause: error,
      });
    throw error;
  }
}

/** Demonstrations that are read; more would not move their mean. */
const mostDemonstrations = 256;

/** @throws UnfitDataError where there are files of demonstrations with none in them */
export async function readReference(
  base: Checkpoint,
  { demonstrations: files, onBadLine }: RewardConfig,
  longest: number,
) {
  if (files === null) return null;
  const { demonstrations, problems, sha256 } = await readDemonstrations(files);
  refuseIf(onBadLine === "refuse", problems);
  const examples = demonstrations.slice(0, mostDemonstrations).flatMap(({ messages }): RankedExample[] => {
    const last = messages.at(-1)?.content ?? "";
    const group = renderOrExplain(base, messages.slice(0, -1), [last], longest);
    return "reason" in group ? [] : [{ ...group, pairs: [], ties: 0, comparisons: 0 }];
  });
  if (examples.length === 0)
    throw new UnfitDataError(`demonstrations: there is none to score.\n${listProblems(problems)}`);
  return { examples, sha256 };
}

export function nothingPreferred(
  rows: number,
  { ties, tiedPrompts }: RankingCounts,
  leftOut: readonly LineProblem[],
): UnfitDataError {
  const facts =
    tiedPrompts > 0
      ? `all responses of ${tiedPrompts} of ${rows} prompts are tied (${ties} pairs)`
      : `none of ${rows} prompts can be used`;
  const problems = leftOut.length > 0 ? `\n${listProblems(leftOut)}` : "";
  return new UnfitDataError(
    `There is no pair of responses of which one is preferred: ${facts}. A reward model learns from such pairs alone: take rankings with fewer ties.${problems}`,
  );
}

export function notesOf(
  { epochs }: RewardConfig,
  { pairs, ties, tiedPrompts, cutResponses }: RankingCounts,
): { level: "info" | "warn"; text: string }[] {
  const tied = tiedPrompts > 0 ? ` ${tiedPrompts} prompts are tied throughout and left out.` : "";
  const notes: { level: "info" | "warn"; text: string }[] = [
    { level: "info", text: `${pairs} pairs with a preference; ${ties} tied ones count for nothing.${tied}` },
  ];
  if (cutResponses > 0)
    notes.push({
      level: "warn",
      text: `The end of ${cutResponses} responses is cut; their scores are read at the last token kept.`,
    });
  if (epochs > 1)
    notes.push({
      level: "warn",
      text: `${epochs} epochs: a reward model usually overfits after one. Watch the validation loss; the checkpoint with the lowest is kept.`,
    });
  return notes;
}
