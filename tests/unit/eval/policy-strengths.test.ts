/** @file Strengths of policies over all comparisons: order, intervals, and what no comparison tells. */
import { expect, test } from "vitest";
import { type PolicyComparison, policyStrengths } from "@/model/eval/policy-strengths";
import { uniform } from "@/model/random/philox";

const compare = (first: string, second: string, wins: number, of: number): PolicyComparison[] =>
  Array.from({ length: of }, (_, at) => ({
    prompt: `prompt ${at}`,
    first,
    second,
    credit: at < wins ? 1 : 0,
  }));

test("two policies: the odds are the wins, whoever is named first", () => {
  const [best, worst] = policyStrengths(compare("new", "live", 150, 200), { reference: "live", seed: 1 });
  expect(best?.policy).toBe("new");
  // The prior of a tenth of a comparison moves it by less than this.
  expect(best?.againstReference?.estimate).toBeCloseTo(0.75, 3);
  expect(worst).toMatchObject({ policy: "live", againstReference: null, judgments: 200 });
  const turned = policyStrengths(compare("live", "new", 50, 200), { reference: "live", seed: 1 });
  expect(turned[0]?.strength).toBeCloseTo(best?.strength ?? 0, 9);
});

test("a policy never compared with the reference is placed through a third, one that nothing joins is not", () => {
  const comparisons = [
    ...compare("b", "live", 120, 200),
    ...compare("c", "b", 120, 200),
    ...compare("x", "y", 190, 200),
  ];
  const found = new Map(
    policyStrengths(comparisons, { reference: "live", seed: 1 }).map((each) => [each.policy, each]),
  );
  // Odds of 1.5 twice.
  expect(found.get("c")?.againstReference?.estimate).toBeCloseTo(2.25 / 3.25, 2);
  expect(found.get("x")?.againstReference).toBeNull();
  expect(found.get("y")?.againstReference).toBeNull();
});

test("the interval over prompts holds the truth about as often as it says", () => {
  const [sets, prompts, truth] = [120, 60, 0.6];
  let held = 0;
  for (let set = 0; set < sets; set++) {
    const comparisons = Array.from({ length: prompts }, (_, at) => ({
      prompt: String(at),
      first: "new",
      second: "live",
      credit: uniform(9, [0, set, at, 0]) < truth ? 1 : 0,
    }));
    const [made] = policyStrengths(comparisons, { reference: "live", seed: set, resamples: 100 }).filter(
      ({ policy }) => policy === "new",
    );
    const interval = made?.againstReference?.interval;
    if (interval && interval.low <= truth && truth <= interval.high) held++;
  }
  // 95 % of 120 is 114; three standard deviations of that count are 7.
  expect(held).toBeGreaterThan(104);
});

test("too few prompts give no interval, and nothing gives no policy", () => {
  const few = policyStrengths(compare("new", "live", 2, 4), { reference: "live", seed: 1 });
  expect(few.find(({ policy }) => policy === "new")?.againstReference).toMatchObject({ interval: null });
  expect(policyStrengths([], { reference: "live", seed: 1 })).toEqual([]);
});
