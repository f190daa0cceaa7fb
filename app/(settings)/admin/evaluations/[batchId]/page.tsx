/** @file One comparison of two policies. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { isNotFound } from "@/app/_lib/not-found-error";
import { requirePermission, requireViewer } from "@/app/_lib/server-caller";
import { EvaluationView } from "./evaluation-view";

export const metadata: Metadata = { title: "Evaluation" };

export default async function EvaluationPage({ params }: { params: Promise<{ batchId: string }> }) {
  const { batchId } = await params;
  const caller = await requirePermission("evaluations.read");
  const evaluation = await caller.evaluations.get({ batchId }).catch((error: unknown) => {
    if (isNotFound(error)) notFound();
    throw error;
  });
  const { permissions } = await requireViewer();
  return (
    <EvaluationView
      initial={evaluation}
      canAddJudge={permissions.includes("models.manage")}
      canSteer={permissions.includes("labeling.lead")}
    />
  );
}
