/** @file One regression case. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { isNotFound } from "@/app/_lib/not-found-error";
import { requirePermission } from "@/app/_lib/server-caller";
import { CaseView } from "./case-view";

export const metadata: Metadata = { title: "Regression case" };

export default async function CasePage({ params }: { params: Promise<{ caseId: string }> }) {
  const { caseId } = await params;
  const caller = await requirePermission("evaluations.read");
  const pinned = await caller.cases.get({ caseId }).catch((error: unknown) => {
    if (isNotFound(error)) notFound();
    throw error;
  });
  return <CaseView initial={pinned} />;
}
