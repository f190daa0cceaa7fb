/** @file A canary's way, from what was typed to what is asked for, and in words. */
import type { Inputs } from "@/app/_lib/api-types";

/** As it stands in its fields. The minutes of the last step are not asked for: it stays until somebody decides. */
export type RampStepText = { share: string; minutes: string };

type Plan = NonNullable<Inputs["promotion"]["request"]["plan"]>;

export const emptyStep: RampStepText = { share: "", minutes: "60" };

/** @param steps what the server goes through if nothing else is said */
export const textOfRamp = (steps: Plan): RampStepText[] =>
  steps.map(({ share, minutes }) => ({
    share: String(share),
    minutes: String(minutes ?? emptyStep.minutes),
  }));

/** `problem`: what cannot be, in words; empty fields are told by the browser. */
export function readRamp(steps: readonly RampStepText[]): { plan: Plan; problem: string | null } {
  const plan = steps.map(({ share, minutes }, at) => ({
    share: Number(share),
    minutes: at === steps.length - 1 ? null : Number(minutes),
  }));
  const shrinks = plan.findIndex(
    ({ share }, at) => steps[at]?.share !== "" && at > 0 && share <= (plan[at - 1]?.share ?? 0),
  );
  const problem =
    shrinks < 0 ? null : `Step ${shrinks + 1} must be a larger share than step ${shrinks}: a ramp grows.`;
  return { plan, problem };
}

/** “5 % of conversations for 60 minutes, then 25 % until you decide”. */
export const describePlan = (plan: Plan): string =>
  plan
    .map(
      ({ share, minutes }, at) =>
        `${share} %${at === 0 ? " of conversations" : ""}${minutes === null ? " until you decide" : ` for ${minutes} minutes`}`,
    )
    .join(", then ");
