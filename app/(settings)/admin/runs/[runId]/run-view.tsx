/** @file One run whole: state, what it is made of, live curves with samples beside them, checkpoints, timeline, logs. */
"use client";

import { useRouter } from "next/navigation";
import { useMemo } from "react";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import { Pulse } from "@/app/_components/pulse";
import { Tabs } from "@/app/_components/tabs";
import type { RunDetail, RunMetrics, StageDescription } from "@/app/_lib/api-types";
import { Section } from "../../../_frame/section";
import { mergeCurves } from "../_charts/curve-data";
import { EvaluationSection } from "../_suites/evaluation-section";
import { RunProgress } from "../run-progress";
import { CheckpointsTable } from "./checkpoints-table";
import { ConfigTable } from "./config-table";
import { GuardRailPanel } from "./guard-rail-panel";
import { RunCurves } from "./run-curves";
import { RunFacts } from "./run-facts";
import { RunHeader } from "./run-header";
import { TimelineList } from "./timeline-list";
import { useGuardRail } from "./use-guard-rail";
import { useRunWatch } from "./use-run-watch";
import { useSteer } from "./use-steer";

type RunViewProps = {
  initialRun: RunDetail;
  initialMetrics: RunMetrics[];
  settings: StageDescription["settings"] | null;
};

export function RunView({ initialRun, initialMetrics, settings }: RunViewProps) {
  const router = useRouter();
  const watched = useRunWatch(initialRun, initialMetrics);
  const { run, newRows } = watched;
  const steer = useSteer(run);
  const guard = useGuardRail(run, newRows);
  const { curves } = useMemo(
    () => mergeCurves(watched.metrics, watched.fresh),
    [watched.metrics, watched.fresh],
  );

  return (
    <>
      <RunHeader run={run} steer={steer} />
      {guard && <GuardRailPanel {...guard} {...{ run, steer, curves }} />}
      {run.reason && !guard && (
        <Notice
          tone={run.status === "failed" ? "error" : run.status === "finished" ? "info" : "warning"}
          className="mt-3 max-w-[46rem]"
        >
          {run.reason}
        </Notice>
      )}
      {run.obstacles.map(({ text }) => (
        <Notice key={text} tone="warning" className="mt-2 max-w-[46rem]">
          {text}
        </Notice>
      ))}
      <div className="mt-4 max-w-[46rem]">
        <RunProgress run={run} wide />
      </div>
      <div className="min-h-5">
        {!watched.isConnected && (
          <p role="status" className="text-small text-people">
            The connection is lost. What is shown is renewed every ten seconds, and catches up when it is
            back.
          </p>
        )}
        {watched.isCatchingUp && <Pulse>Catching up with what happened meanwhile…</Pulse>}
      </div>
      <RunFacts run={run} />
      {run.stage === "eval" ? (
        <EvaluationSection runId={run.id} isOver={run.endedAt !== null} />
      ) : (
        <>
          <RunCurves watched={watched} />
          <Section title="Checkpoints" text="What can be gone on from, chatted with and promoted.">
            <CheckpointsTable run={run} />
          </Section>
        </>
      )}
      <div className="mt-10">
        <Tabs
          label="Records of this run"
          tabs={[
            {
              id: "timeline",
              title: "Timeline",
              content: (
                <TimelineList
                  runId={run.id}
                  kinds={["state", "incident", "checkpoint", "phase"]}
                  newRows={newRows}
                  exportContent="timeline"
                  empty="Nothing has happened yet. Changes of state, incidents and checkpoints will stand here."
                />
              ),
            },
            {
              id: "logs",
              title: "Log",
              content: (
                <TimelineList
                  runId={run.id}
                  kinds={["log"]}
                  newRows={newRows}
                  exportContent="logs"
                  empty="Its worker has logged nothing yet."
                />
              ),
            },
            {
              id: "settings",
              title: "Settings",
              content: <ConfigTable config={run.config} settings={settings} />,
            },
          ]}
        />
      </div>
      <PageKeys
        keys={[
          { key: "p", does: "Pause or resume", act: () => steer.toggle() },
          { key: "d", does: "Clone", act: () => router.push(`/admin/runs/new?clone=${run.id}`) },
          { key: "escape", label: "Esc", does: "Back to all runs", act: () => router.push("/admin/runs") },
        ]}
      />
    </>
  );
}
