/** @file Probes, warnings and the report as a whole. */
import { describe, expect, test } from "vitest";
import { judgeProbes, type ProbedPrompt, probeKinds, writeProbes } from "@/model/eval/reward/probes";
import { makeRewardReport, type ReportInput, rewardReportSchema } from "@/model/eval/reward/report";
import { scoreProbes, scoreRankings, UnusableScoreError } from "@/model/eval/reward/score-rankings";
import { attainable } from "@/model/eval/reward/warnings";
import { scoredPrompt } from "@/tests/helpers/scored-prompts";

const seeded = { seed: 1, resamples: 200 };
const question = [{ role: "user" as const, content: "Why is the photosynthesis of ferns slow?" }];

describe("probes", () => {
  test("one of each kind, made of the prompt, the same for the same seed", () => {
    const probes = writeProbes(question, 3);
    expect(probes.map(({ kind }) => kind)).toEqual(probeKinds);
    expect(writeProbes(question, 3)).toEqual(probes);
    const textOf = Object.fromEntries(probes.map(({ kind, text }) => [kind, text]));
    expect(textOf.empty).toBe("");
    expect(new Set(textOf.repeatedWord?.split(" "))).toEqual(new Set(["photosynthesis"]));
    expect(textOf.copiedPrompt).toBe(question[0]?.content);
    expect(textOf.endlessList?.split("\n")).toHaveLength(40);
    expect(textOf.confidentNonsense).toMatch(/This answer is complete and correct\.$/);
  });

  test("a prompt without words or without a user's turn is probed as well", () => {
    expect(writeProbes([{ role: "user", content: "???" }], 0).map(({ text }) => typeof text)).toEqual(
      probeKinds.map(() => "string"),
    );
    expect(writeProbes([], 0)).toHaveLength(probeKinds.length);
  });

  const prompt = (id: string) => scoredPrompt({ id, scores: [2, 0, 1], rankings: [[1, 3, 2]] });
  const probed = (at: number, scoreOf: (kind: string) => number): ProbedPrompt => ({
    prompt: at,
    scores: probeKinds.map((kind) => ({ kind, text: kind, score: scoreOf(kind) })),
  });

  test("counts what each outscores, equal scores as a half, and fails beyond a tenth of the best", () => {
    const prompts = Array.from({ length: 10 }, (_, at) => prompt(String(at)));
    const found = judgeProbes(
      prompts,
      prompts.map((_, at) =>
        probed(at, (kind) => (kind === "thanks" && at < 2 ? 3 : kind === "empty" ? 1 : -1)),
      ),
      seeded,
    );
    const kindOf = (kind: string) => found?.kinds.find((each) => each.kind === kind);
    expect(kindOf("thanks")).toMatchObject({ ofBest: { share: 0.2 }, ofAll: { share: 0.2 }, passes: false });
    expect(kindOf("thanks")?.worst).toEqual({ prompt: 0, text: "thanks", score: 3, best: 2 });
    expect(kindOf("empty")).toMatchObject({
      ofBest: { share: 0 },
      ofAll: { share: 0.5 },
      passes: true,
      worst: null,
    });
    expect(found).toMatchObject({ passes: false, prompts: 10, threshold: 0.1 });
  });

  test("prompts that nobody ordered say nothing", () => {
    const tied = scoredPrompt({ scores: [1, 2], rankings: [[1, 1]] });
    expect(judgeProbes([tied], [probed(0, () => 9)], seeded)).toBeNull();
  });
});

describe("report", () => {
  const input = (rest: Partial<ReportInput> = {}): ReportInput => ({
    prompts: Array.from({ length: 20 }, (_, at) =>
      scoredPrompt({
        id: String(at),
        scores: at === 7 ? [0, 4] : [at % 2, -1],
        tokens: [5, at % 4 === 0 ? 9 : 3],
        rankings: [
          { ranks: [1, 2], labeler: "ann", group: "training" },
          { ranks: at % 5 === 0 ? [2, 1] : [1, 2], labeler: "bob", group: "training" },
          { ranks: [2, 1], labeler: "zoe", group: "heldOut" },
        ],
        source: "chat",
      }),
    ),
    probed: [],
    leaks: null,
    checkpoint: null,
    madeAt: null,
    isHeldOut: true,
    seed: 1,
    resamples: 200,
    withTexts: false,
    ...rest,
  });

  test("keeps the held-out group apart, and fits its schema after JSON", () => {
    const report = makeRewardReport(input());
    expect(rewardReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    expect(report.main).toMatchObject({ rankings: 40, labelers: 2, pairs: 40, ties: 0 });
    expect(report.heldOutGroup).toMatchObject({ rankings: 20, labelers: 1, accuracy: { share: 1 / 20 } });
    expect(report.main.by.labeler.map(({ key }) => key)).toEqual(["ann", "bob"]);
    expect(report.main.ceiling).toMatchObject({ agreement: 0.8, pairs: 20 });
  });

  test("names texts by place only, unless they are asked for", () => {
    const [bare] = makeRewardReport(input()).disagreements;
    expect(JSON.stringify(makeRewardReport(input()))).not.toContain("Response 1 to 7");
    expect(bare).toMatchObject({ id: "7", chosen: 0, rejected: 1, texts: null });
    const [full] = makeRewardReport(input({ withTexts: true })).disagreements;
    expect(full?.texts).toEqual({
      prompt: [{ role: "user", content: "Question 7?" }],
      chosen: "Response 0 to 7.",
      rejected: "Response 1 to 7.",
    });
  });

  const kindsOf = (rest: Partial<ReportInput>) =>
    makeRewardReport(input(rest)).warnings.map(({ kind }) => kind);

  test("warns of a held-out group that disagrees, the gravest warnings first", () => {
    expect(kindsOf({})).toEqual(["noBetterThanLength", "heldOutLower", "calibration", "fewPrompts"]);
  });

  test("warns of accuracy above people's agreement, and not of what lies within its interval", () => {
    // Two of three agree on each prompt, so that any two agree on a third of the pairs, and the model sides with the two.
    const prompts = Array.from({ length: 40 }, (_, at) =>
      scoredPrompt({
        id: String(at),
        scores: [3, 0],
        tokens: [1, 9],
        rankings: [[1, 2], [1, 2], at % 20 === 0 ? [1, 2] : [2, 1]],
      }),
    );
    expect(kindsOf({ prompts })).toEqual(["aboveCeiling", "calibration"]);
    const agreeing = prompts.map((prompt) => ({ ...prompt, rankings: prompt.rankings.slice(0, 2) }));
    expect(kindsOf({ prompts: agreeing })).toEqual([]);
    expect(attainable(0.745)).toBeCloseTo(0.85, 12);
    expect(attainable(0.3)).toBe(0.5);
  });

  test("warns of a leak, of training prompts, and of failed probes", () => {
    const leaks = { prompts: 2, responses: 0, checked: 20, examples: [] };
    const probed = [{ prompt: 0, scores: probeKinds.map((kind) => ({ kind, text: "", score: 99 })) }];
    const kinds = kindsOf({ leaks, probed, isHeldOut: false });
    expect(kinds[0]).toBe("leak");
    expect(kinds).toEqual(expect.arrayContaining(["probes", "notHeldOut"]));
  });

  test("warns of a model that is no better than length, and of few prompts", () => {
    const prompts = [scoredPrompt({ scores: [1, 2], tokens: [1, 2], rankings: [[2, 1]] })];
    expect(kindsOf({ prompts })).toEqual(expect.arrayContaining(["noBetterThanLength", "fewPrompts"]));
  });

  test("of nothing at all there is a report too", () => {
    const report = makeRewardReport(input({ prompts: [] }));
    expect(report.main.accuracy.share).toBeNull();
    expect(rewardReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });
});

describe("scoring", () => {
  const record = {
    prompt: question,
    responses: [{ text: "a" }, { text: "bcd" }],
    rankings: [{ ranks: [1, 2], labeler: "x" }],
    meta: { dataset: "koala" },
  };
  const byLength = async (_: unknown, texts: readonly string[]) =>
    texts.map((text) => ({ score: text.length, tokens: text.length }));

  test("a prompt without an id is called by its place, and its source is what its file says", async () => {
    const [scored] = await scoreRankings([{ record, place: { file: "f.jsonl", line: 3 } }], byLength);
    expect(scored).toMatchObject({
      id: "f.jsonl:3",
      source: "koala",
      responses: [{ score: 1 }, { score: 3, tokens: 3 }],
    });
    const probed = await scoreProbes(scored ? [scored] : [], byLength, { seed: 1 });
    expect(probed[0]?.scores.map(({ score, text }) => score === text.length)).toEqual(
      probeKinds.map(() => true),
    );
  });

  test("a score that is no number stops it, naming the prompt", async () => {
    const broken = async () => [
      { score: Number.NaN, tokens: 1 },
      { score: 1, tokens: 1 },
    ];
    await expect(scoreRankings([{ record, place: null }], broken)).rejects.toThrow(UnusableScoreError);
  });
});
