/** @file Several runs side by side: `?run=…&run=…`. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { isNotFound } from "@/app/_lib/not-found-error";
import { requirePermission } from "@/app/_lib/server-caller";
import { CompareView } from "./compare-view";

export const metadata: Metadata = { title: "Compare runs" };

const mostCompared = 20;

type ComparePageProps = { searchParams: Promise<{ run?: string | string[] }> };

export default async function ComparePage({ searchParams }: ComparePageProps) {
  const runIds = [...new Set([(await searchParams).run ?? []].flat())].slice(0, mostCompared);
  const caller = await requirePermission("runs.read");
  if (runIds.length === 0) notFound();
  try {
    const runs = await Promise.all(runIds.map((runId) => caller.runs.get({ runId })));
    return <CompareView initialRuns={runs} />;
  } catch (error) {
    if (isNotFound(error)) notFound();
    throw error;
  }
}
