/** @file Scores ranked prompts, and probes made for some of them, with whatever scores responses: a trainer, a server, a file. */
import type { RankedPrompt, ResponseRanking } from "../../data/rankings/ranked-prompt";
import { choosePrompts, type ProbedPrompt, writeProbes } from "./probes";
import type { LabelerGroup, RowPlace, ScoredPrompt, ScoredResponse } from "./scored-prompt";

export type TextScore = {
  score: number;
  tokens: number;
  /** Of an ensemble, by member. */
  memberScores?: readonly number[] | null;
};
/** Scores of the responses to one prompt, in their order. */
export type ScoreResponses = (
  prompt: RankedPrompt["prompt"],
  responses: readonly string[],
) => Promise<readonly TextScore[]>;

/** A record with what its layout does not hold. */
export type RankedRecord = {
  record: RankedPrompt;
  place: RowPlace | null;
  owner?: string | null;
  /** Of those who made the record's rankings, beside them; unknown where left out. */
  groups?: readonly LabelerGroup[];
};

export type ScoreProgress = { done: number; total: number };
export type ScoreOptions = { signal?: AbortSignal; onProgress?: (progress: ScoreProgress) => void };

/** @throws UnusableScoreError where a score is no finite number; whatever `score` throws */
export async function scoreRankings(
  records: readonly RankedRecord[],
  score: ScoreResponses,
  { signal, onProgress }: ScoreOptions = {},
): Promise<ScoredPrompt[]> {
  const scored: ScoredPrompt[] = [];
  for (const [done, { record, place, owner = null, groups = [] }] of records.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done, total: records.length });
    const id = record.id ?? (place ? `${place.file}:${place.line}` : String(done + 1));
    scored.push({
      id,
      owner,
      source: sourceOf(record),
      prompt: record.prompt,
      responses: await scoreTexts(id, record, score),
      rankings: record.rankings.map((ranking, at) => ({
        ranks: ranking.ranks,
        labeler: ranking.labeler ?? null,
        group: groups[at] ?? groupOf(ranking),
      })),
      place,
    });
  }
  onProgress?.({ done: records.length, total: records.length });
  return scored;
}

/** Probes of `most` prompts, evenly spread over those that are ranked. */
export async function scoreProbes(
  prompts: readonly ScoredPrompt[],
  score: ScoreResponses,
  { signal, onProgress, seed, most }: ScoreOptions & { seed: number; most?: number },
): Promise<ProbedPrompt[]> {
  const ranked = prompts.flatMap(({ rankings }, place) => (rankings.length > 0 ? [place] : []));
  const chosen = choosePrompts(ranked.length, most).flatMap((at) => ranked[at] ?? []);
  const probed: ProbedPrompt[] = [];
  for (const [done, place] of chosen.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done, total: chosen.length });
    const prompt = prompts[place];
    if (!prompt) continue;
    const probes = writeProbes(prompt.prompt, seed + place);
    const scores = await score(
      [...prompt.prompt],
      probes.map(({ text }) => text),
    );
    probed.push({
      prompt: place,
      scores: probes.map((probe, at) => ({ ...probe, score: finite(scores[at]?.score, prompt.id) })),
    });
  }
  return probed;
}

async function scoreTexts(
  id: string,
  { prompt, responses }: RankedPrompt,
  score: ScoreResponses,
): Promise<ScoredResponse[]> {
  const scores = await score(
    prompt,
    responses.map(({ text }) => text),
  );
  return responses.map(({ text, model }, at) => ({
    place: at,
    text,
    model: model ?? null,
    score: finite(scores[at]?.score, id),
    memberScores: scores[at]?.memberScores ?? null,
    tokens: scores[at]?.tokens ?? 0,
  }));
}

function finite(score: number | undefined, id: string): number {
  if (score === undefined || !Number.isFinite(score)) throw new UnusableScoreError(id, score);
  return score;
}

/** Such a reward model is broken: no figure can be made of its scores. */
export class UnusableScoreError extends Error {
  override readonly name = "UnusableScoreError";
  constructor(
    readonly promptId: string,
    readonly score: number | undefined,
  ) {
    super(
      `The reward model scored a response to prompt ${promptId} ${score}, which is no finite number. Its weights are ` +
        "damaged, or training diverged: take an earlier checkpoint.",
    );
  }
}

/** Where a record says it is from: the product's source, or the data set's part, as alpaca_eval has it. */
export function sourceOf({ meta }: RankedPrompt): string | null {
  const said = meta?.source ?? meta?.dataset;
  return typeof said === "string" ? said : null;
}

/** Where an export says whose work a ranking is; those of the training group are not told from others. */
export function groupOf({ meta }: ResponseRanking): LabelerGroup {
  return meta?.group === "heldOut" ? "heldOut" : null;
}
