/** @file Accuracy, agreement, calibration and length of reward models: values by hand, and what holds for any scores. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accuracyBy, accuracyOf, marginOverLength } from "@/model/eval/reward/accuracy";
import { calibrationOf, softplus } from "@/model/eval/reward/calibration";
import { ceilingOf } from "@/model/eval/reward/ceiling";
import { worstDisagreements } from "@/model/eval/reward/disagreements";
import { scoreDistributions } from "@/model/eval/reward/distribution";
import { lengthReport, pearson } from "@/model/eval/reward/length";
import { rankCorrelation } from "@/model/eval/reward/rank-correlation";
import { type ScoredPrompt, scoredPairs } from "@/model/eval/reward/scored-prompt";
import { anyScoredPrompt, scoredPrompt } from "@/tests/helpers/scored-prompts";

const seeded = { seed: 1, resamples: 200 };
const pairsOf = (...prompts: ScoredPrompt[]) => scoredPairs(prompts).pairs;

describe("pairs", () => {
  test("ties make none and are counted, unranked responses take no part, gaps in ranks do not widen the gap", () => {
    const { pairs, ties } = scoredPairs([
      scoredPrompt({ scores: [3, 1, 2, 9], tokens: [5, 7, 1, 1], rankings: [[1, 7, 1, null]] }),
    ]);
    expect(ties).toBe(1);
    expect(
      pairs.map(({ chosen, rejected, margin, tokenMargin, rankGap, ranked }) => [
        chosen,
        rejected,
        margin,
        tokenMargin,
        rankGap,
        ranked,
      ]),
    ).toEqual([
      [0, 1, 2, -2, 1, 3],
      [2, 1, 1, -6, 1, 3],
    ]);
  });
});

describe("accuracy", () => {
  test("counts right ones, and equal scores as a half", () => {
    const pairs = pairsOf(scoredPrompt({ scores: [3, 1, 1], rankings: [[1, 2, 3]] }));
    expect(accuracyOf(pairs, seeded)).toMatchObject({ share: 2.5 / 3, pairs: 3, prompts: 1, interval: null });
  });

  test("has no share without pairs", () => {
    expect(accuracyOf(pairsOf(scoredPrompt({ scores: [1, 2], rankings: [[1, 1]] })), seeded)).toEqual({
      share: null,
      interval: null,
      pairs: 0,
      prompts: 0,
    });
  });

  test("its interval resamples prompts: more rankings of the same prompts do not narrow it", () => {
    const make = (copies: number) =>
      Array.from({ length: 12 }, (_, at) =>
        scoredPrompt({
          id: String(at),
          scores: at % 3 === 0 ? [0, 1] : [1, 0],
          rankings: Array.from({ length: copies }, () => [1, 2]),
        }),
      );
    const [once, often] = [1, 9].map((copies) => accuracyOf(pairsOf(...make(copies)), seeded));
    expect(once?.interval).not.toBeNull();
    expect(often?.interval).toEqual(once?.interval);
    expect(often?.pairs).toBe(108);
  });

  test("by a key: numbers in order, unknown ones left out", () => {
    const prompts = [
      scoredPrompt({
        scores: Array.from({ length: 10 }, (_, at) => -at),
        rankings: [[...Array(10).keys()].map((r) => r + 1)],
      }),
      scoredPrompt({ scores: [1, 2], rankings: [[1, 2]], source: "chat" }),
    ];
    const byK = accuracyBy(pairsOf(...prompts), ({ ranked }) => ranked, seeded);
    expect(byK.map(({ key, accuracy }) => [key, accuracy.share])).toEqual([
      ["2", 0],
      ["10", 1],
    ]);
    const bySource = accuracyBy(pairsOf(...prompts), ({ source }) => source, seeded);
    expect(bySource.map(({ key }) => key)).toEqual(["chat"]);
  });

  test("the margin over “the longer wins” is paired: 0 for a model that only counts tokens", () => {
    const prompts = Array.from({ length: 8 }, (_, at) =>
      scoredPrompt({ scores: [at, 3], tokens: [at, 3], rankings: [[1, 2]] }),
    );
    expect(marginOverLength(pairsOf(...prompts), seeded)).toMatchObject({
      share: 0,
      interval: { low: 0, high: 0 },
    });
  });
});

describe("ceiling", () => {
  test("is null where nobody ranked what another did", () => {
    expect(ceilingOf([scoredPrompt({ scores: [1, 2], rankings: [[1, 2]] })], seeded)).toBeNull();
  });

  test("counts agreement, and the model only where people overlap", () => {
    const found = ceilingOf(
      [
        scoredPrompt({
          id: "a",
          scores: [3, 2, 1],
          rankings: [
            [1, 2, 3],
            [1, 3, 2],
          ],
        }),
        scoredPrompt({ id: "b", scores: [1, 2], rankings: [[1, 2]] }),
      ],
      seeded,
    );
    expect(found).toMatchObject({ agreement: 2 / 3, pairs: 3, prompts: 1, unit: "prompts" });
    expect(found?.accuracy).toMatchObject({ share: 5 / 6, pairs: 6 });
  });

  test("unnamed rankings of two prompts are not one person's", () => {
    const prompts = [0, 1].map((at) =>
      scoredPrompt({
        id: String(at),
        scores: [1, 2],
        rankings: [
          [1, 2],
          [1, 2],
        ],
      }),
    );
    expect(ceilingOf(prompts, seeded)).toMatchObject({ agreement: 1, pairs: 2, unit: "prompts" });
  });

  test("resamples labelers where five are named", () => {
    const people = ["a", "b", "c", "d", "e"];
    const prompts = Array.from({ length: 6 }, (_, at) =>
      scoredPrompt({
        id: String(at),
        scores: [1, 2],
        rankings: people.map((labeler, who) => ({ ranks: who === at ? [2, 1] : [1, 2], labeler })),
      }),
    );
    expect(ceilingOf(prompts, seeded)?.unit).toBe("labelers");
  });
});

describe("calibration", () => {
  test("by hand: sigmoid(ln 3) = 3/4 falls in the bin from 0.75, right once of twice", () => {
    const ln3 = Math.log(3) + 1e-12;
    const found = calibrationOf(
      pairsOf(
        scoredPrompt({ scores: [ln3, 0], rankings: [[1, 2]] }),
        scoredPrompt({ scores: [0, ln3], rankings: [[1, 2]] }),
      ),
    );
    const bin = found.bins[5];
    expect(bin).toMatchObject({ from: 0.75, pairs: 2, observed: 0.5 });
    expect(bin?.predicted).toBeCloseTo(0.75, 9);
    expect(found.error).toBeCloseTo(0.25, 9);
    // (ln(4/3) + ln 4) / 2
    expect(found.loss).toBeCloseTo((Math.log(4 / 3) + Math.log(4)) / 2, 9);
  });

  test("certainty falls in the last bin, and its loss overflows nowhere", () => {
    const found = calibrationOf(pairsOf(scoredPrompt({ scores: [900, -900], rankings: [[2, 1]] })));
    expect(found.bins.at(-1)?.pairs).toBe(1);
    expect(found.loss).toBeCloseTo(1800, 9);
    expect(softplus(-900)).toBe(0);
  });

  test("has no error of no pairs", () => {
    expect(calibrationOf([])).toMatchObject({ error: null, loss: null });
  });
});

describe("length", () => {
  test("correlation within prompts does not see that long questions get long answers", () => {
    const prompts = [
      scoredPrompt({ scores: [1, 2], tokens: [12, 10], rankings: [] }),
      scoredPrompt({ scores: [11, 12], tokens: [102, 100], rankings: [] }),
    ];
    const { correlation, withinPrompts } = lengthReport(prompts, [], seeded);
    expect(correlation).toBeGreaterThan(0.9);
    expect(withinPrompts).toBeCloseTo(-1, 12);
  });

  test("is null where nothing varies", () => {
    expect(
      pearson([
        { x: 1, y: 1 },
        { x: 1, y: 2 },
      ]),
    ).toBeNull();
    expect(pearson([])).toBeNull();
  });

  test("accuracy where people chose the shorter one", () => {
    const prompt = scoredPrompt({ scores: [3, 2, 1], tokens: [1, 5, 1], rankings: [[1, 2, 3]] });
    const { whereShorterChosen, longerWins } = lengthReport([prompt], pairsOf(prompt), seeded);
    expect(whereShorterChosen).toMatchObject({ share: 1, pairs: 1 });
    expect(longerWins.share).toBe(1.5 / 3);
  });
});

describe("distributions", () => {
  test("best and worst are those of rankings with an order, each response once", () => {
    const found = scoreDistributions([
      scoredPrompt({
        scores: [0, 10, 20],
        rankings: [
          [1, 2, 3],
          [1, 2, 2],
          [1, 1, 1],
        ],
      }),
    ]);
    expect(found.groups.map(({ name, summary }) => [name, summary?.count, summary?.mean])).toEqual([
      ["all", 3, 10],
      ["best", 1, 0],
      ["worst", 2, 15],
    ]);
    expect(found.edges.at(0)).toBe(0);
    expect(found.edges.at(-1)).toBe(20);
  });

  test("equal scores and no scores have their histogram too", () => {
    const equal = scoreDistributions([scoredPrompt({ scores: [2, 2], rankings: [] })]);
    expect(equal.edges).toEqual([1.5, 2.5]);
    expect(equal.groups[0]?.counts).toEqual([2]);
    expect(scoreDistributions([]).groups[0]).toEqual({ name: "all", summary: null, counts: [] });
  });
});

describe("disagreements", () => {
  test("one pair a prompt, widest first, and none where most people are with the model", () => {
    const prompts = [
      scoredPrompt({ id: "a", scores: [0, 1, 5], rankings: [[1, 2, 3]] }),
      scoredPrompt({
        id: "b",
        scores: [0, 9],
        rankings: [
          [1, 2],
          [2, 1],
          [2, 1],
        ],
      }),
      scoredPrompt({
        id: "c",
        scores: [0, 7],
        rankings: [
          [1, 2],
          [1, 1],
        ],
      }),
      scoredPrompt({ id: "d", scores: [1, 0], rankings: [[1, 2]] }),
    ];
    expect(worstDisagreements(prompts, pairsOf(...prompts))).toEqual([
      { prompt: 2, chosen: 0, rejected: 1, margin: -7, votes: { chosen: 1, rejected: 0, tied: 1 } },
      { prompt: 0, chosen: 0, rejected: 2, margin: -5, votes: { chosen: 1, rejected: 0, tied: 0 } },
    ]);
  });
});

describe("for any scores", () => {
  const prompts = fc.array(anyScoredPrompt, { minLength: 1, maxLength: 8 });
  const near = (a: number | null, b: number | null) => a === b || Math.abs((a ?? 9) - (b ?? -9)) < 1e-9;

  test("the order of the responses changes nothing", () => {
    fc.assert(
      fc.property(prompts, (given) => {
        const turned = given.map((prompt) => ({
          ...prompt,
          responses: prompt.responses.toReversed(),
          rankings: prompt.rankings.map((ranking) => ({ ...ranking, ranks: ranking.ranks.toReversed() })),
        }));
        const [a, b] = [pairsOf(...given), pairsOf(...turned)];
        expect(near(accuracyOf(a, seeded).share, accuracyOf(b, seeded).share)).toBe(true);
        expect(near(calibrationOf(a).error, calibrationOf(b).error)).toBe(true);
        expect(near(rankCorrelation(given, seeded).tauB, rankCorrelation(turned, seeded).tauB)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test("turning every score around turns accuracy and tau around", () => {
    fc.assert(
      fc.property(prompts, (given) => {
        const turned = given.map((prompt) => ({
          ...prompt,
          responses: prompt.responses.map((response) => ({ ...response, score: -response.score })),
        }));
        const [a, b] = [
          accuracyOf(pairsOf(...given), seeded).share,
          accuracyOf(pairsOf(...turned), seeded).share,
        ];
        expect(near(a, b === null ? null : 1 - b)).toBe(true);
        const [tau, turnedTau] = [given, turned].map((each) => rankCorrelation(each, seeded).tauB ?? null);
        expect(near(tau ?? null, turnedTau === null || turnedTau === undefined ? null : -turnedTau)).toBe(
          true,
        );
      }),
      { numRuns: 50 },
    );
  });

  test("a constant added to every score changes no figure but the scores", () => {
    fc.assert(
      fc.property(prompts, (given) => {
        const raised = given.map((prompt) => ({
          ...prompt,
          responses: prompt.responses.map((response) => ({
            ...response,
            score: Math.round(response.score) + 4,
          })),
        }));
        const whole = given.map((prompt) => ({
          ...prompt,
          responses: prompt.responses.map((response) => ({ ...response, score: Math.round(response.score) })),
        }));
        expect(calibrationOf(pairsOf(...raised))).toEqual(calibrationOf(pairsOf(...whole)));
      }),
      { numRuns: 50 },
    );
  });

  test("a model that scores as one person ranks is right on all of that person's pairs", () => {
    fc.assert(
      fc.property(anyScoredPrompt, (given) => {
        const [ranking] = given.rankings;
        fc.pre(ranking !== undefined);
        const prompt = {
          ...given,
          responses: given.responses.map((response, at) => ({
            ...response,
            score: -(ranking?.ranks[at] ?? 0),
          })),
          rankings: given.rankings.slice(0, 1),
        };
        const found = accuracyOf(pairsOf(prompt), seeded);
        expect(found.share ?? 1).toBe(1);
        expect(rankCorrelation([prompt], seeded).tauB ?? 1).toBeCloseTo(1, 12);
      }),
      { numRuns: 50 },
    );
  });
});
