/** @file One batch: progress, tasks, rankings. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { isNotFound } from "@/app/_lib/not-found-error";
import { requirePermission } from "@/app/_lib/server-caller";
import { BatchView } from "./batch-view";

export const metadata: Metadata = { title: "Batch" };

export default async function BatchPage({ params }: { params: Promise<{ batchId: string }> }) {
  const { batchId } = await params;
  const caller = await requirePermission("labeling.lead");
  const batch = await caller.batches.get({ batchId }).catch((error: unknown) => {
    if (isNotFound(error)) notFound();
    throw error;
  });
  return <BatchView initialBatch={batch} />;
}
