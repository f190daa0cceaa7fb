/** @file Regression cases, and the suites that evaluations can measure. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { CasesView } from "./cases-view";
import { SuitesSection } from "./suites-section";

export const metadata: Metadata = { title: "Cases and suites" };

export default async function CasesPage({
  searchParams,
}: {
  searchParams: Promise<{ candidate?: string; archived?: string }>;
}) {
  const caller = await requirePermission("evaluations.read");
  const { candidate, archived } = await searchParams;
  const query = { candidateId: candidate ?? null, isArchived: archived !== undefined };
  const [list, suites] = await Promise.all([caller.cases.list(query), caller.suites.list()]);
  return (
    <>
      <CasesView initial={list} query={query} />
      <SuitesSection initial={suites} />
    </>
  );
}
