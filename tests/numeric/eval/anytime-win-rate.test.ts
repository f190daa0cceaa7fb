/** @file The win rate that may be looked at all the time: false promotions by simulation, what it takes to decide, Student's t. */
import { describe, expect, test } from "vitest";
import { anytimeWinRate, fewestPrompts, type Judgment } from "@/model/eval/anytime-win-rate";
import { studentTBound } from "@/model/eval/student-t";
import { uniform } from "@/model/random/philox";

type Scene = {
  judges: number;
  overlap: number;
  /** Standard deviations of how often judges, and prompts, prefer the candidate. */
  judgesDiffer: number;
  promptsDiffer: number;
  ties: number;
  truth: number;
};

/** One evaluation as judgments come in. */
function simulate(
  { judges, overlap, judgesDiffer, promptsDiffer, ties, truth }: Scene,
  { seed, judgments }: { seed: number; judgments: number },
): Judgment[] {
  let drawn = 0;
  const draw = () => uniform(seed, [9, 0, 0, drawn++]);
  const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  const lean = Array.from({ length: judges }, () => normal() * judgesDiffer);
  return Array.from({ length: Math.ceil(judgments / overlap) }, (_, prompt) => {
    const ofPrompt = Math.max(truth - 1, Math.min(truth, normal() * promptsDiffer, 1 - truth));
    const first = Math.floor(draw() * judges);
    return Array.from({ length: overlap }, (_, k) => {
      const judge = (first + k) % judges;
      const wins = draw() < truth + ofPrompt + (lean[judge] ?? 0);
      return { prompt: `${prompt}`, judge: `${judge}`, credit: draw() < ties ? 0.5 : Number(wins) };
    });
  }).flat();
}

/** Share of evaluations in which the gate opened at any of the looks. */
function promotedShare(scene: Scene, { runs, judgments }: { runs: number; judgments: number }): number {
  const promoted = Array.from({ length: runs }, (_, seed) => {
    const all = simulate(scene, { seed, judgments });
    return all.some((_, i) => i >= fewestPrompts && (anytimeWinRate(all.slice(0, i + 1))?.low ?? 0) > 0.5);
  });
  return promoted.filter(Boolean).length / runs;
}

const usual: Scene = { judges: 5, overlap: 1, judgesDiffer: 0.05, promptsDiffer: 0.2, ties: 0.2, truth: 0.5 };

describe("peeking after every judgment, of two policies alike", () => {
  test.each<[string, Partial<Scene>]>([
    ["by one judge", { judges: 1, judgesDiffer: 0 }],
    ["by two labelers", { judges: 2 }],
    ["by three who differ much", { judges: 3, judgesDiffer: 0.1 }],
    ["by three who each judge all", { judges: 3, overlap: 3, promptsDiffer: 0.3 }],
    ["by fourteen", { judges: 14, judgesDiffer: 0.1 }],
    ["by fourteen, no ties", { judges: 14, overlap: 2, ties: 0 }],
  ])("promotes at most 5 %% of them: %s", (_, change) => {
    expect(promotedShare({ ...usual, ...change }, { runs: 100, judgments: 300 })).toBeLessThanOrEqual(0.05);
  });
});

test("a clearly better policy passes within 400 judgments of five labelers nine times of ten", () => {
  const scene = { ...usual, judgesDiffer: 0.03, truth: 0.65 };
  expect(promotedShare(scene, { runs: 40, judgments: 400 })).toBeGreaterThanOrEqual(0.9);
});

test("judgments of one prompt count as one prompt", () => {
  const once = simulate(usual, { seed: 1, judgments: 100 });
  const copied = once.flatMap((each) => Array.from({ length: 4 }, () => each));
  const [a, b] = [anytimeWinRate(once), anytimeWinRate(copied)];
  expect(b?.judgments).toBe(400);
  expect(b?.prompts).toBe(100);
  expect((b?.high ?? 0) - (b?.low ?? 0)).toBeGreaterThan(0.95 * ((a?.high ?? 0) - (a?.low ?? 0)));
});

test("says how many more judgments decide it, which then do", () => {
  const scene = { ...usual, judges: 1, judgesDiffer: 0, promptsDiffer: 0, ties: 0 };
  const some = Array.from({ length: 100 }, (_, i) => ({
    prompt: `${i}`,
    judge: "a",
    credit: Number(i % 5 < 3),
  }));
  const needed = anytimeWinRate(some)?.needed ?? 0;
  expect(needed).toBeGreaterThan(0);
  const more = (count: number) =>
    anytimeWinRate(
      Array.from({ length: 100 + count }, (_, i) => ({
        prompt: `${i}`,
        judge: "a",
        credit: Number(i % 5 < 3),
      })),
    );
  expect(more(needed + 5)?.low).toBeGreaterThan(0.5);
  expect(more(needed - 10)?.low).toBeLessThan(0.5);
  expect(more(needed + 5)?.needed).toBeNull();
  // Alike to the last judgment: no number of them decides.
  expect(anytimeWinRate(simulate(scene, { seed: 3, judgments: 0 }))).toBeNull();
  const alike = some.map((each, i) => ({ ...each, credit: i % 2 }));
  expect(anytimeWinRate(alike)?.needed).toBeNull();
});

test("few prompts say nothing, and unanimous ones are no certainty", () => {
  const wins = (count: number) =>
    anytimeWinRate(Array.from({ length: count }, (_, i) => ({ prompt: `${i}`, judge: "a", credit: 1 })));
  expect(wins(fewestPrompts - 1)).toMatchObject({ estimate: 1, low: 0, high: 1 });
  const thirty = wins(30);
  expect(thirty?.low).toBeGreaterThan(0.5);
  expect(thirty?.low).toBeLessThan(0.95);
});

// scipy.stats.t.ppf((1 + level) / 2, degrees)
test.each([
  [0.95, 1, 12.706204736174694],
  [0.95, 2, 4.302652729749462],
  [0.95, 3, 3.1824463052837078],
  [0.95, 10, 2.2281388519862744],
  [0.99, 7, 3.4994832973504937],
  [0.9, 30, 1.6972608865939574],
  [0.95, 1000, 1.9623390808264078],
])("Student's t holds %d at %d degrees within %d", (level, degrees, bound) => {
  expect(studentTBound(level, degrees)).toBeCloseTo(bound, 8);
});
