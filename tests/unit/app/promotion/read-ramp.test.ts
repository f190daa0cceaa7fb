/** @file The ramp of a canary as it is typed. */
import { expect, test } from "vitest";
import { describePlan, readRamp, textOfRamp } from "@/app/(settings)/admin/promotion/read-ramp";
import { defaultRamp, rampStepsSchema } from "@/server/domain/promotion/channel-settings";

test("what the fields say at first is the server's default, and the last step has no end", () => {
  const { plan, problem } = readRamp(textOfRamp(defaultRamp));
  expect(plan).toEqual(defaultRamp);
  expect(problem).toBeNull();
  expect(describePlan(plan)).toBe("5 % of conversations for 60 minutes, then 25 % until you decide");
});

test("a step that was removed or added leaves a ramp that the server takes", () => {
  const [first, second] = textOfRamp(defaultRamp);
  const one = readRamp(second ? [second] : []).plan;
  expect(one).toEqual([{ share: 25, minutes: null }]);
  const three = readRamp([...(first && second ? [first, second] : []), { share: "50", minutes: "9" }]).plan;
  expect(rampStepsSchema.parse(three).map(({ minutes }) => minutes)).toEqual([60, 60, null]);
});

test("says which step does not grow, as the server would refuse it", () => {
  const { plan, problem } = readRamp([
    { share: "25", minutes: "60" },
    { share: "5", minutes: "" },
  ]);
  expect(problem).toMatch(/^Step 2 must be a larger share than step 1/);
  expect(rampStepsSchema.safeParse(plan).success).toBe(false);
});
