/** @file Taking a policy back: seldom without reason however often one looks, soon with one. */
import { describe, expect, it } from "vitest";
import { lnGamma } from "@/model/eval/ln-gamma";
import { eValueAbove } from "@/model/eval/two-proportions";
import { createRandom, type Random } from "@/model/random/random";
import { watchSettingsSchema } from "@/server/domain/promotion/channel-settings";
import { type Arm, decideReturn, watchPolicy } from "@/server/domain/promotion/decide-return";

const settings = watchSettingsSchema.parse({});
const arm = (change: Partial<Arm> = {}): Arm => ({
  thumbsDown: { hits: 0, n: 0 },
  errors: { hits: 0, n: 0 },
  msPerToken: null,
  answers: 0,
  ...change,
});
const decide = (policy: Partial<Arm>, before: Partial<Arm>) =>
  decideReturn(watchPolicy(arm(policy), arm(before), settings))?.what ?? null;

describe("lnGamma", () => {
  it("agrees with factorials and with Gamma(1/2) to 1e-13", () => {
    let factorial = 1;
    for (let n = 1; n <= 20; n++) {
      expect(Math.abs(lnGamma(n) - Math.log(factorial))).toBeLessThan(
        1e-13 * Math.max(1, Math.log(factorial)),
      );
      factorial *= n;
    }
    expect(lnGamma(0.5)).toBeCloseTo(0.5 * Math.log(Math.PI), 13);
  });
});

describe("the e-value of two shares", () => {
  it("is below 1 where the first is not above the second", () => {
    expect(eValueAbove({ hits: 5, n: 100 }, { hits: 5, n: 100 })).toBeLessThan(1);
    expect(eValueAbove({ hits: 14, n: 100 }, { hits: 5, n: 100 }, 0.1)).toBeLessThan(1);
    expect(eValueAbove({ hits: 0, n: 0 }, { hits: 5, n: 100 })).toBe(0);
  });

  it("is the mixture over the pooled likelihood where there is no margin", () => {
    // B(7.5, 3.5) B(2.5, 8.5) / B(1/2, 1/2)^2 over 0.45^9 0.55^11, by hand from lnGamma.
    const lnB = (a: number, b: number) => lnGamma(a) + lnGamma(b) - lnGamma(a + b);
    const ln = lnB(7.5, 3.5) + lnB(2.5, 8.5) - 2 * lnB(0.5, 0.5) - 9 * Math.log(0.45) - 11 * Math.log(0.55);
    expect(eValueAbove({ hits: 7, n: 10 }, { hits: 2, n: 10 })).toBeCloseTo(Math.exp(ln), 9);
  });
});

describe("taking a policy back", () => {
  /** Both arms fail with these shares, in turn; looked at after every answer. @returns after how many, or null */
  function watch(random: Random, [policy, before]: [number, number], rounds: number): number | null {
    const counts = { policy: { hits: 0, n: 0 }, before: { hits: 0, n: 0 } };
    for (let round = 1; round <= rounds; round++) {
      counts.policy.n++;
      counts.before.n++;
      if (random.below(1e6) < policy * 1e6) counts.policy.hits++;
      if (random.below(1e6) < before * 1e6) counts.before.hits++;
      if (decide({ errors: counts.policy }, { errors: counts.before })) return round;
    }
    return null;
  }

  it("happens to at most 1 % of policies that are as good at the edge of the margin, looked at after every answer", () => {
    const random = createRandom(7);
    const trials = 150;
    const taken = Array.from({ length: trials }, () => watch(random, [0.07, 0.05], 300)).filter(Boolean);
    // 1 % of 150 is 1.5; six or more would come by chance in one of two hundred.
    expect(taken.length).toBeLessThanOrEqual(5);
  });

  it("happens soon to one that fails every third time", () => {
    const random = createRandom(11);
    const after = Array.from({ length: 30 }, () => watch(random, [0.33, 0.02], 600));
    expect(after.filter((round) => round === null)).toEqual([]);
    expect(Math.max(...after.map(Number))).toBeLessThan(120);
  });

  it("asks for enough answers before it compares latency", () => {
    const slow = { msPerToken: 25, answers: 50 };
    const fast = { msPerToken: 10, answers: 50 };
    expect(decide(slow, fast)).toBe("latency");
    expect(decide({ ...slow, answers: 49 }, fast)).toBeNull();
    expect(decide({ ...slow, msPerToken: 20 }, fast)).toBeNull();
  });

  it("names thumbs where people are unhappy", () => {
    expect(decide({ thumbsDown: { hits: 40, n: 60 } }, { thumbsDown: { hits: 10, n: 60 } })).toBe("thumbs");
  });
});
