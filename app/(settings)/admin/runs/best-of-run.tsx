/** @file What a run's best checkpoint was measured at, by what its stage is measured by. */
import type { RunSummary } from "@/app/_lib/api-types";
import { formatMetric } from "@/app/_lib/format";

/** Loss, or of PPO held-out score and KL; under it the step, and what PPO's newest iteration came to. */
export function BestOfRun({ run: { best, latest, stage } }: { run: RunSummary }) {
  const { score, klK3 } = latest?.values ?? {};
  const now = stage === "ppo" && typeof score === "number";
  if (!best && !now) return "–";
  return (
    <div className="whitespace-nowrap">
      {best && describeBest(best)}
      <span className="block text-small text-muted">
        {best && `step ${best.step.toLocaleString("en")}`}
        {best && now && "; "}
        {now && `now ${formatMetric(score)} at ${formatMetric(klK3)} nats`}
      </span>
    </div>
  );
}

export function describeBest({ validationLoss, heldOutScore, heldOutKl }: NonNullable<RunSummary["best"]>) {
  if (heldOutScore === null) return `loss ${formatMetric(validationLoss)}`;
  return `score ${formatMetric(heldOutScore)}${heldOutKl === null ? "" : ` at ${formatMetric(heldOutKl)} nats`}`;
}
