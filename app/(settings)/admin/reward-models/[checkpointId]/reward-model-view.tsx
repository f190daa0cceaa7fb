/** @file The page of a reward model: warnings first, then figures, examples, probes, and any text scored by hand. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { SelectField } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type {
  CurrentRewardModel,
  LiveRewardAccuracy,
  Outputs,
  RewardModelDetail,
  RewardModelSummary,
  RewardReportView,
} from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../../_frame/section";
import { AccuracySections } from "./accuracy-sections";
import { CalibrationSection } from "./calibration-section";
import { DisagreementsSection } from "./disagreements-section";
import { EvaluationBar } from "./evaluation-bar";
import { InUseBar } from "./in-use-bar";
import { LiveSection, LiveWarnings } from "./live-section";
import { ProbesSection } from "./probes-section";
import { ScoreByHand } from "./score-by-hand";
import { ScoresSection } from "./scores-section";
import { TrialsSections } from "./trials-sections";
import { UncertaintySection } from "./uncertainty-section";

type RewardModelViewProps = {
  initial: RewardModelDetail;
  other: RewardModelDetail | null;
  models: RewardModelSummary[];
  initialEvaluation: Outputs["rewardModels"]["evaluation"];
  initialCurrent: CurrentRewardModel | null;
  initialLive: LiveRewardAccuracy;
};

/** New rankings come while the page is open. */
const livePollMs = 15_000;

const origins = {
  server: "this server’s rankings",
  run: "what its run held out",
} as const;

export function RewardModelView({
  initial,
  other,
  models,
  initialEvaluation,
  initialCurrent,
  initialLive,
}: RewardModelViewProps) {
  const router = useRouter();
  const trpc = useTRPC();
  const { data: model } = useQuery(
    trpc.rewardModels.get.queryOptions({ checkpointId: initial.id }, { initialData: initial }),
  );
  const { data: live } = useQuery(
    trpc.rewardModels.live.queryOptions(
      { checkpointId: initial.id },
      { initialData: initialLive, refetchInterval: livePollMs },
    ),
  );
  const { data: current } = useQuery(
    trpc.rewardModels.current.queryOptions(undefined, { initialData: initialCurrent }),
  );
  const [origin, setOrigin] = useState<RewardReportView["origin"] | null>(null);
  const view = model.reports.find((each) => each.origin === origin) ?? model.reports[0] ?? null;
  const beside =
    other && (other.reports.find((each) => each.origin === view?.origin) ?? other.reports[0] ?? null);
  return (
    <>
      <PageTitle>{model.name}</PageTitle>
      <p className="mt-1 text-small text-muted">
        Reward model{" "}
        <code className="font-mono" title={model.id}>
          {model.id.slice(0, 12)}
        </code>
        {model.run && (
          <>
            , made by{" "}
            <Link
              href={`/admin/runs/${model.run.id}`}
              className="underline decoration-line underline-offset-2"
            >
              run {model.run.number}, step {model.run.step.toLocaleString("en")}
            </Link>
          </>
        )}
      </p>
      <LiveWarnings live={live} />
      <Warnings view={view} problem={model.problem} />
      <InUseBar model={model} initial={initialCurrent} />
      <div className="mt-4 grid max-w-[46rem] gap-4 sm:grid-cols-2">
        {model.reports.length > 1 && view && (
          <SelectField
            label="Measured on"
            value={view.origin}
            onChange={({ target }) => setOrigin(target.value === "run" ? "run" : "server")}
          >
            {model.reports.map((each) => (
              <option key={each.origin} value={each.origin}>
                {origins[each.origin]}
              </option>
            ))}
          </SelectField>
        )}
        <SelectField
          label="Compare with"
          value={other?.id ?? ""}
          onChange={({ target }) =>
            router.push(`/admin/reward-models/${model.id}${target.value ? `?with=${target.value}` : ""}`)
          }
        >
          <option value="">no other</option>
          {models
            .filter(({ id }) => id !== model.id)
            .map(({ id, name, run }) => (
              <option key={id} value={id}>
                {name}
                {run ? `, run ${run.number}, step ${run.step}` : `, ${id.slice(0, 8)}`}
              </option>
            ))}
        </SelectField>
      </div>
      <EvaluationBar model={model} initial={initialEvaluation} />
      {view && <MeasuredOn view={view} />}
      {view && other && <CompareNote view={view} other={other} beside={beside} />}
      {view && (
        <AccuracySections
          figures={view.report.main}
          heldOut={view.report.heldOutGroup}
          beside={beside?.report.main ?? null}
        />
      )}
      <TrialsSections trials={model.trials} beside={other?.trials ?? null} />
      <LiveSection live={live} isInUse={current?.checkpointId === model.id} />
      {view && (
        <>
          <ProbesSection probes={view.report.probes} beside={beside?.report.probes ?? null} />
          <DisagreementsSection view={view} />
          <CalibrationSection figures={view.report.main} beside={beside?.report.main ?? null} />
          <UncertaintySection figures={view.report.main} beside={beside?.report.main ?? null} />
          <ScoresSection report={view.report} beside={beside?.report ?? null} />
        </>
      )}
      <ScoreByHand checkpointId={model.id} other={other && { id: other.id, name: other.name }} />
    </>
  );
}

function Warnings({ view, problem }: { view: RewardReportView | null; problem: string | null }) {
  return (
    <div className="mt-3 max-w-[46rem] space-y-2">
      {problem && (
        <Notice tone="error">The report of its run cannot be read: {problem} Measure it here instead.</Notice>
      )}
      {view?.report.warnings.map(({ kind, text }) => (
        <Notice key={kind} tone="warning">
          {text}
        </Notice>
      ))}
    </div>
  );
}

function MeasuredOn({ view: { origin, report, at, by, leftOut } }: { view: RewardReportView }) {
  const { prompts, responses, isHeldOut } = report;
  return (
    <p className="mt-4 max-w-[46rem] text-small text-muted tabular">
      Measured on {origins[origin]}: {plural(prompts, "prompt", "prompts")},{" "}
      {plural(responses, "response", "responses")}, <Moment at={at} />
      {by !== null && ` by ${by}`}.{" "}
      {leftOut > 0 && `${plural(leftOut, "prompt", "prompts")} left out, as its training data has them. `}
      {isHeldOut === null &&
        "It was trained elsewhere: whether it has seen these prompts, nobody knows here. "}
      Every interval is 95 % over prompts, and labelers’ ties are left out of pairs.
    </p>
  );
}

function CompareNote({
  view,
  other,
  beside,
}: {
  view: RewardReportView;
  other: RewardModelDetail;
  beside: RewardReportView | null;
}) {
  if (!beside) {
    return (
      <Notice className="mt-3 max-w-[46rem]">
        {other.name} was never measured. Open it and measure it to compare.
      </Notice>
    );
  }
  const isSame = view.origin === beside.origin && view.report.prompts === beside.report.prompts;
  if (view.origin === "server" && isSame) return null;
  return (
    <Notice tone="warning" className="mt-3 max-w-[46rem]">
      {other.name} was measured on {origins[beside.origin]},{" "}
      {plural(beside.report.prompts, "prompt", "prompts")}: other prompts than these may be easier or harder.
      Measure both on this server’s rankings for a fair comparison.
    </Notice>
  );
}
