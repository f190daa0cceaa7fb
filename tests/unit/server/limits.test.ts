/** @file Limits whose counters belong to another bundle: their refusal is of another class, and no Error at all. */
import { afterEach, expect, it } from "vitest";
import { countAgainst, resetLimits } from "@/server/auth/limits";
import { isAppError } from "@/server/errors";

afterEach(resetLimits);

/** As the copy of the library in the other bundle: the class has the same name, and is not ours. */
class RateLimiterRes {
  readonly remainingPoints = 0;
  readonly consumedPoints = 601;
  readonly isFirstInDuration = false;
  constructor(readonly msBeforeNext: number) {}
}

async function refusedBy(refusal: unknown): Promise<unknown> {
  await countAgainst("mutationByUser", "somebody");
  const limiter = globalThis.attuneLimits?.mutationByUser;
  if (!limiter) throw new Error("Nothing was counted.");
  limiter.consume = () => Promise.reject(refusal);
  return countAgainst("mutationByUser", "somebody").catch((error: unknown) => error);
}

it("is told as too many attempts, with the seconds to wait", async () => {
  const refused = await refusedBy(new RateLimiterRes(12_300));
  expect(isAppError(refused)).toBe(true);
  expect(refused).toMatchObject({ code: "TOO_MANY_REQUESTS", retryAfterSeconds: 13 });
});

it("hides no other fault", async () => {
  const fault = new Error("out of memory");
  expect(await refusedBy(fault)).toBe(fault);
});
