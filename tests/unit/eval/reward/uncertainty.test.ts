/** @file What the members of an ensemble say by differing. */
import { describe, expect, test } from "vitest";
import { normalCdf } from "@/model/eval/normal-distribution";
import { doubtOf } from "@/model/eval/reward/doubt";
import { deviationOf, marginDeviation, orderDoubt } from "@/model/eval/reward/member-spread";
import { makeRewardReport, rewardReportSchema } from "@/model/eval/reward/report";
import { scoredPrompt } from "@/tests/helpers/scored-prompts";

describe("deviations", () => {
  test("are of the sample", () => {
    expect(deviationOf([1, 2, 3, 4])).toBeCloseTo(Math.sqrt(5 / 3), 12);
    expect(deviationOf([7, 7])).toBe(0);
  });

  test("of a margin leave out what a member gives to both responses alike", () => {
    expect(marginDeviation([1, 6], [0, 5])).toBe(0);
    expect(deviationOf([1, 6])).toBeGreaterThan(3);
  });
});

describe("doubt", () => {
  test("of an order grows with the deviation and falls with the margin, from 0 to a half", () => {
    expect(orderDoubt(1, 0)).toBe(0);
    expect(orderDoubt(0, 1)).toBeCloseTo(0.5, 12);
    expect(orderDoubt(-1, 1)).toBeCloseTo(0.158655, 6);
    // Both twice as wide: as sure as before.
    expect(orderDoubt(2, 2)).toBe(orderDoubt(1, 1));
  });

  test("of responses is the mean over their pairs, and nothing of fewer than two or of one head", () => {
    const scored = (score: number, spread: number) => ({
      score,
      memberScores: [score - spread, score + spread],
    });
    const three = [scored(0, 0), scored(0, 1), scored(8, 0)];
    expect(doubtOf(three, "deviation")).toBeCloseTo((0.5 + normalCdf(-8 / Math.SQRT2)) / 3, 6);
    expect(doubtOf(three, "margin")).toBeCloseTo((0.5 + 2 / (1 + Math.exp(8))) / 3, 12);
    expect(doubtOf([scored(0, 1)], "deviation")).toBe(0);
    expect(doubtOf([], "margin")).toBe(0);
    const single = { score: 1, memberScores: null };
    expect(doubtOf([single, single], "deviation")).toBe(0);
  });
});

/** People always put the first response first; the model does so where `isRight`; its members differ by `spread`. */
const pair = (id: number, { isRight, spread }: { isRight: boolean; spread: number }) => {
  const margin = isRight ? 1 : -1;
  const memberScores = [
    [margin - spread, margin + spread],
    [0, 0],
  ];
  return scoredPrompt({ id: String(id), scores: [margin, 0], memberScores, rankings: [[1, 2]] });
};

const reportOf = (prompts: ReturnType<typeof scoredPrompt>[]) =>
  makeRewardReport({
    prompts,
    probed: [],
    leaks: null,
    checkpoint: null,
    madeAt: null,
    isHeldOut: true,
    seed: 1,
    withTexts: false,
    resamples: 200,
  });

describe("the report of an ensemble", () => {
  test("has accuracy fall from the surest third of the pairs to the least sure, where the doubt tells", () => {
    // Of 30 pairs the ten with the widest spread are wrong half of the time.
    const prompts = Array.from({ length: 30 }, (_, id) =>
      pair(id, { isRight: id < 20 || id % 2 === 0, spread: id / 10 }),
    );
    const report = reportOf(prompts);
    expect(rewardReportSchema.parse(report)).toEqual(report);
    const { uncertainty } = report.main;
    expect(uncertainty?.members).toBe(2);
    expect(uncertainty?.meanMargin).toBe(1);
    expect(uncertainty?.byDoubt.map(({ accuracy }) => accuracy.share)).toEqual([1, 1, 0.5]);
    expect(uncertainty?.byDoubt.map(({ accuracy }) => accuracy.pairs)).toEqual([10, 10, 10]);
    // A margin of 1, which the members have at 1 - 2 and 1 + 2.
    expect(uncertainty?.byDoubt.at(-1)?.from).toBeCloseTo(normalCdf(-1 / (2 * Math.SQRT2)), 12);
  });

  test("has the widest margins first in the thirds beside it", () => {
    const prompts = Array.from({ length: 9 }, (_, id) =>
      scoredPrompt({
        id: String(id),
        scores: [id + 1, 0],
        memberScores: [
          [id + 1, id + 1],
          [0, 0],
        ],
        rankings: [id < 3 ? [2, 1] : [1, 2]],
      }),
    );
    const { byMargin } = reportOf(prompts).main.uncertainty ?? {};
    expect(byMargin?.map(({ accuracy }) => accuracy.share)).toEqual([1, 1, 0]);
    expect(byMargin?.[0]).toMatchObject({ from: 7, to: 9 });
  });

  test("says nothing of one head, nor of too few pairs for thirds", () => {
    const single = scoredPrompt({ scores: [1, 0], rankings: [[1, 2]] });
    expect(reportOf([single, single, single]).main).not.toHaveProperty("uncertainty");
    expect(reportOf([pair(1, { isRight: true, spread: 1 })]).main).not.toHaveProperty("uncertainty");
  });
});
