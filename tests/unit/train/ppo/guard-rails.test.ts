/** @file Each guard rail of PPO: what trips it, what does not, and that what a person accepted pauses again only when it is clearly worse. */
import { describe, expect, test } from "vitest";
import { brokenGuard, type GuardHistory, GuardRailError, type Watched } from "@/model/train/ppo/guard-rails";
import { ppoConfigSchema } from "@/model/train/ppo-config";
import { PausedError } from "@/model/train/run-loop";

const guards = ppoConfigSchema.shape.guards.parse(undefined);
const calm: Watched & { samplerGapMax: number } = {
  klK3: 2,
  entropy: 2,
  responseTokens: 20,
  endedShare: 0.8,
  repetition: 0.05,
  firstRatioGap: 1e-6,
  samplerGapMax: 1e-5,
};
const start: GuardHistory = { first: calm, scores: [], judged: [], accepted: {} };

const find = (
  now: Partial<typeof calm>,
  { history = start, limits = guards }: { history?: GuardHistory; limits?: typeof guards } = {},
) => brokenGuard({ ...calm, ...now }, history, limits);

test("a run that goes well trips none of them", () => {
  expect(find({})).toBeNull();
  expect(find({}, { history: { ...start, first: null } })).toBeNull();
});

describe.each<
  [keyof typeof guards | "firstRatio" | "samplerGap", Partial<typeof calm>, Partial<typeof calm>, RegExp]
>([
  [
    "samplerGap",
    { samplerGapMax: 1e-3 },
    { samplerGapMax: 2e-3 },
    /sampled token differs by 2\.0e-3 nats between them, above 0\.001/,
  ],
  ["firstRatio", { firstRatioGap: 1e-3 }, { firstRatioGap: 1.1e-3 }, /largest ratio is off by 1\.1e-3/],
  ["klBudget", { klK3: 10 }, { klK3: 10.1 }, /10\.1 nats .* budget of 10.*higher beta/],
  ["entropyFloor", { entropy: 0.61 }, { entropy: 0.59 }, /0\.59 nats of entropy a token, 2\.00 at first/],
  ["lengthDrift", { responseTokens: 50 }, { responseTokens: 51 }, /longer: 51 tokens, 20 at first/],
  ["lengthDrift", { responseTokens: 8 }, { responseTokens: 7 }, /shorter: 7 tokens, 20 at first/],
  ["endedFloor", { endedShare: 0.4 }, { endedShare: 0.39 }, /Only 39 % .* 80 % at first/],
  ["repetition", { repetition: 0.4 }, { repetition: 0.41 }, /41 % of their word triples.*5 % at first/],
])("%s", (rule, allowed, broken, message) => {
  test("holds at its limit, and pauses beyond it with the fact and the remedy", () => {
    expect(find(allowed)).toBeNull();
    const found = find(broken);
    expect(found?.rule).toBe(rule);
    expect(found?.error).toBeInstanceOf(GuardRailError);
    expect(found?.error).toBeInstanceOf(PausedError);
    expect(found?.error.message).toMatch(message);
    expect(found?.error.message).toContain("the same command goes on and accepts this");
  });

  test("once accepted it speaks again at a quarter more, and not before", () => {
    const severity = find(broken)?.severity ?? expect.unreachable();
    const acceptedAt = (share: number) => ({ ...start, accepted: { [rule]: severity * share } });
    expect(find(broken, { history: acceptedAt(1) })).toBeNull();
    expect(find(broken, { history: acceptedAt(0.81) })).toBeNull();
    expect(find(broken, { history: acceptedAt(0.79) })?.rule).toBe(rule);
  });

  const canBeOff = rule !== "firstRatio" && rule !== "samplerGap";
  if (canBeOff)
    test("is silent where it is switched off", () => {
      expect(find(broken, { limits: { ...guards, [rule]: null } })).toBeNull();
    });
});

test("a policy that repeated itself from the start is told by what it has become", () => {
  const first = { ...calm, repetition: 0.6 };
  const history = { ...start, first };
  expect(find({ repetition: 0.6 }, { history })).toBeNull();
  expect(find({ repetition: 0.61 }, { history })?.rule).toBe("repetition");
});

describe("flatJudge", () => {
  const rising = Array.from({ length: 20 }, (_, i) => 0.1 * i + (i % 2) * 0.02);
  const watch = (scores: readonly number[], judged: readonly (number | null)[]) =>
    find({}, { history: { ...start, scores, judged } });
  const flat = rising.map((_, i) => 0.5 + (i % 5) * 0.02);

  test("pauses where the score rises while what watches it stays or falls", () => {
    expect(watch(rising, flat)?.rule).toBe("flatJudge");
    expect(
      watch(
        rising,
        rising.map(() => 0.5),
      )?.rule,
    ).toBe("flatJudge");
    const falling = watch(
      rising,
      rising.map((value) => 2 - value),
    );
    expect(falling?.error.message).toMatch(
      /Over 10 iterations the score rose by 0\.50 .* from 0\.\d+ to 0\.\d+/,
    );
  });

  test("is silent where both rise, where neither does, and before it has seen enough", () => {
    expect(
      watch(
        rising,
        rising.map((value) => 0.3 * value),
      ),
    ).toBeNull();
    expect(watch(flat, flat)).toBeNull();
    expect(watch(rising.slice(0, 9), flat.slice(0, 9))).toBeNull();
    expect(
      find(
        {},
        { history: { ...start, scores: rising, judged: flat }, limits: { ...guards, flatJudge: null } },
      ),
    ).toBeNull();
  });

  test("looks back to four measurements where the judge is asked every few iterations", () => {
    const every = (n: number) => flat.map((_, i) => (i % n === n - 1 ? 0.5 : null));
    expect(watch(rising, every(4))?.error.message).toContain("Over 13 iterations");
    expect(watch(rising, every(6))).toBeNull();
  });
});
