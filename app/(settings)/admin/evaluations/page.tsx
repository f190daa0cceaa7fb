/** @file All evaluations, and how all policies compare. */
import type { Metadata } from "next";
import { requirePermission, requireViewer } from "@/app/_lib/server-caller";
import { EvaluationsView } from "./evaluations-view";

export const metadata: Metadata = { title: "Evaluations" };

export default async function EvaluationsPage() {
  const caller = await requirePermission("evaluations.read");
  const [evaluations, { permissions }] = await Promise.all([caller.evaluations.list(), requireViewer()]);
  return <EvaluationsView initial={evaluations} canCreate={permissions.includes("models.manage")} />;
}
