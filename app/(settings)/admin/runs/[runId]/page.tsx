/** @file One training run. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { isNotFound } from "@/app/_lib/not-found-error";
import { requirePermission } from "@/app/_lib/server-caller";
import { chartPoints } from "../_charts/curve-data";
import { RunView } from "./run-view";

type RunPageProps = { params: Promise<{ runId: string }> };

export async function generateMetadata({ params }: RunPageProps): Promise<Metadata> {
  const { runId } = await params;
  const caller = await requirePermission("runs.read");
  const run = await caller.runs.get({ runId }).catch(() => null);
  return { title: run ? `Run ${run.number}, ${run.name}` : "Run" };
}

export default async function RunPage({ params }: RunPageProps) {
  const { runId } = await params;
  const caller = await requirePermission("runs.read");
  const run = await caller.runs.get({ runId }).catch((error: unknown) => {
    if (isNotFound(error)) notFound();
    throw error;
  });
  const [metrics, stages] = await Promise.all([
    caller.runs.metrics({ runIds: [runId], points: chartPoints }),
    caller.runs.stages(),
  ]);
  const stage = stages.find((one) => one.stage === run.stage);
  return <RunView initialRun={run} initialMetrics={metrics} settings={stage?.settings ?? null} />;
}
