/** @file How far a run is: a bar, the steps, and the time left as its worker last told. */
import type { RunSummary } from "@/app/_lib/api-types";
import { formatDuration } from "@/app/_lib/format";
import { estimateSecondsLeft } from "./seconds-left";

type RunProgressProps = {
  run: Pick<RunSummary, "step" | "totalSteps" | "status" | "latest">;
  /** Under the bar instead of beside it. */
  wide?: boolean;
};

/** The number of steps comes with the first of them: base and data are fetched, and the base is measured, before it. */
const withoutSteps: Partial<Record<RunSummary["status"], string>> = {
  queued: "not begun",
  running: "getting ready for the first step",
};

export function RunProgress({ run, wide }: RunProgressProps) {
  const { step, totalSteps, status, latest } = run;
  if (totalSteps === null) return <span className="text-muted">{withoutSteps[status] ?? "–"}</span>;
  const left = status === "running" && latest ? estimateSecondsLeft(latest, totalSteps) : null;
  const text = `${step.toLocaleString("en")} of ${totalSteps.toLocaleString("en")} steps${
    left !== null ? `, about ${formatDuration(left)} left` : ""
  }`;
  return (
    <div className={wide ? "space-y-1" : "min-w-32 space-y-0.5"}>
      {/* Drawn, as the security policy allows no inline widths. */}
      <svg
        role="progressbar"
        aria-label="Progress"
        aria-valuemin={0}
        aria-valuemax={totalSteps}
        aria-valuenow={Math.min(step, totalSteps)}
        aria-valuetext={text}
        viewBox="0 0 100 4"
        preserveAspectRatio="none"
        className="block h-1 w-full rounded-full bg-hover text-accent"
      >
        <rect
          width={(100 * Math.min(step, totalSteps)) / Math.max(1, totalSteps)}
          height={4}
          fill="currentColor"
        />
      </svg>
      <p className="text-small text-muted tabular">{text}</p>
    </div>
  );
}
