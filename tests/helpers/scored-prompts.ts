/** @file Scored prompts for tests, written short or made at random. */
import fc from "fast-check";
import type { LabelerGroup, ScoredPrompt } from "@/model/eval/reward/scored-prompt";

type Short = {
  id?: string;
  scores: readonly number[];
  /** Of an ensemble, response by response. */
  memberScores?: readonly (readonly number[])[];
  tokens?: readonly number[];
  /** Ranks of unnamed people, or of named ones. */
  rankings: readonly (
    | readonly (number | null)[]
    | { ranks: readonly (number | null)[]; labeler?: string; group?: LabelerGroup }
  )[];
  source?: string;
  question?: string;
  texts?: readonly string[];
};

export function scoredPrompt({
  id = "p",
  scores,
  memberScores,
  tokens,
  rankings,
  source,
  question,
  texts,
}: Short): ScoredPrompt {
  return {
    id,
    owner: null,
    source: source ?? null,
    prompt: [{ role: "user", content: question ?? `Question ${id}?` }],
    responses: scores.map((score, at) => ({
      place: at,
      text: texts?.[at] ?? `Response ${at} to ${id}.`,
      score,
      memberScores: memberScores?.[at] ?? null,
      tokens: tokens?.[at] ?? 10,
      model: null,
    })),
    rankings: rankings.map((ranking) => {
      const said = "ranks" in ranking ? ranking : { ranks: ranking };
      return { ranks: said.ranks, labeler: said.labeler ?? null, group: said.group ?? null };
    }),
    place: null,
  };
}

const score = fc.double({ min: -8, max: 8, noNaN: true, noDefaultInfinity: true });

/** Two to six responses, up to three rankings with ties and gaps by three labelers. */
export const anyScoredPrompt: fc.Arbitrary<ScoredPrompt> = fc
  .integer({ min: 2, max: 6 })
  .chain((size) =>
    fc.record({
      id: fc.uuid(),
      scores: fc.array(score, { minLength: size, maxLength: size }),
      tokens: fc.array(fc.integer({ min: 0, max: 50 }), { minLength: size, maxLength: size }),
      rankings: fc.array(
        fc.record({
          ranks: fc.array(fc.option(fc.integer({ min: 1, max: size })), { minLength: size, maxLength: size }),
          labeler: fc.constantFrom("ann", "bob", "cy"),
          group: fc.constantFrom("training" as const, "heldOut" as const),
        }),
        { maxLength: 3 },
      ),
    }),
  )
  .map(scoredPrompt);
