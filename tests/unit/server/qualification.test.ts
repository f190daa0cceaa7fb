/** @file The four criteria of the qualification, against counts by hand. */
import { describe, expect, test } from "vitest";
import {
  agreeOnFlags,
  agreeOnRanking,
  type JudgedResponse,
  judge,
  passes,
  scoreAnswers,
} from "@/server/domain/qualification/score";
import { maySit, type SittingRow } from "@/server/domain/qualification/sittings";

const rank = (...ranks: number[]) => new Map(ranks.map((value, i) => [String.fromCharCode(97 + i), value]));

describe("agreement on rankings", () => {
  test("counts the pairs in a known order; a tie of the labeler is a miss, a known tie is left out", () => {
    // Known: a > b = c > d, so ab ac ad bd cd. Given: a > b > c = d.
    expect(agreeOnRanking(rank(1, 2, 2, 3), rank(1, 2, 3, 3))).toEqual({ agreeing: 4, of: 5 });
    expect(agreeOnRanking(rank(1, 2, 3), rank(3, 2, 1))).toEqual({ agreeing: 0, of: 3 });
    expect(agreeOnRanking(rank(1, 1), rank(1, 2))).toEqual({ agreeing: 0, of: 0 });
  });

  test("is one for the known order itself, whatever the order is, and zero for everything tied", () => {
    const known = rank(2, 1, 3, 3, 5);
    expect(agreeOnRanking(known, known)).toEqual({ agreeing: 9, of: 9 });
    expect(agreeOnRanking(known, rank(1, 1, 1, 1, 1))).toEqual({ agreeing: 0, of: 9 });
  });
});

describe("agreement on flags", () => {
  test("a flag that either set is a decision, a response that neither flagged is one agreement", () => {
    expect(agreeOnFlags(["violent", "sexual"], ["violent", "opinion"])).toEqual({ agreeing: 1, of: 3 });
    expect(agreeOnFlags([], [])).toEqual({ agreeing: 1, of: 1 });
    expect(agreeOnFlags(["violent"], [])).toEqual({ agreeing: 0, of: 1 });
    expect(agreeOnFlags([], ["violent"])).toEqual({ agreeing: 0, of: 1 });
    expect(agreeOnFlags(["violent"], ["violent", "violent"])).toEqual({ agreeing: 1, of: 1 });
  });

  test("who flags nothing, or everything, does not pass a test that is half flagged", () => {
    const flagged = (flags: string[]): JudgedResponse[] =>
      ["violent", null].map((expected, i) => ({
        id: String(i),
        expectedRank: i + 1,
        rank: i + 1,
        expectedFlags: expected === null ? [] : [expected],
        flags,
      }));
    expect(scoreAnswers([flagged([])], []).flagAgreement).toBe(0.5);
    expect(scoreAnswers([flagged(["violent"])], []).flagAgreement).toBe(0.5);
  });
});

describe("a sitting", () => {
  const response = (id: string, expectedRank: number, given: number, expectedFlags: string[] | null) => ({
    id,
    expectedRank,
    rank: given,
    expectedFlags,
    flags: [],
  });

  test("weighs every pair and every flag the same, whichever task it is in", () => {
    const right = [response("a", 1, 1, []), response("b", 2, 2, []), response("c", 3, 3, [])];
    const wrong = [response("a", 1, 2, null), response("b", 2, 1, ["violent"])];
    expect(scoreAnswers([right, wrong], [7, 6, 5])).toEqual({
      flagAgreement: 3 / 4,
      flagDecisions: 4,
      rankingAgreement: 3 / 4,
      rankingPairs: 4,
      demonstrationRating: 6,
      ratedDemonstrations: 3,
    });
  });

  const cutoffs = { flagCutoff: 0.75, rankingCutoff: 0.75, ratingCutoff: 6, asksDemonstrations: true };
  const figures = { flagAgreement: 0.75, rankingAgreement: 0.75, demonstrationRating: 6 };

  test("passes at the cut-offs, and by none of them below", () => {
    expect(passes(judge(figures, cutoffs))).toBe(true);
    for (const [key, value] of Object.entries({
      flagAgreement: 0.749,
      rankingAgreement: 0.749,
      demonstrationRating: 5.99,
    })) {
      expect([key, passes(judge({ ...figures, [key]: value }, cutoffs))]).toEqual([key, false]);
      expect([key, passes(judge({ ...figures, [key]: null }, cutoffs))]).toEqual([key, false]);
    }
  });

  test("is not asked for demonstrations by a test without any", () => {
    const verdicts = judge(
      { ...figures, demonstrationRating: null },
      { ...cutoffs, asksDemonstrations: false },
    );
    expect(verdicts.demonstrations).toBe(null);
    expect(passes(verdicts)).toBe(true);
  });
});

describe("sitting again", () => {
  const day = (n: number) => new Date(Date.UTC(2026, 0, n));
  const failed = (start: number) =>
    ({ status: "failed", startedAt: day(start), endedAt: day(start + 1) }) as SittingRow;
  const rule = { retakeAfterDays: 7, mostSittings: 2 };

  test("waits its days after the last end, and has a limit", () => {
    const answerOn = (now: number, sittings: SittingRow[]) =>
      maySit(rule, { sittings, askedAt: null, now: day(now) });
    expect(answerOn(1, [])).toEqual({ may: true });
    expect(answerOn(8, [failed(1)])).toMatchObject({ may: false, from: day(9) });
    expect(answerOn(9, [failed(1)])).toEqual({ may: true });
    expect(answerOn(90, [failed(20), failed(1)])).toMatchObject({ may: false, from: null });
    expect(
      maySit(
        { ...rule, mostSittings: null },
        { sittings: [failed(20), failed(1)], askedAt: null, now: day(90) },
      ),
    ).toEqual({ may: true });
  });

  test("does not wait where a lead asked for it", () => {
    expect(maySit(rule, { sittings: [failed(2), failed(1)], askedAt: day(4), now: day(4) })).toEqual({
      may: true,
    });
  });
});
