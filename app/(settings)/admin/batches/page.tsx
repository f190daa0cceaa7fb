/** @file All batches of labeling tasks. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { BatchesView } from "./batches-view";

export const metadata: Metadata = { title: "Batches" };

export default async function BatchesPage() {
  const caller = await requirePermission("labeling.lead");
  return <BatchesView initialBatches={await caller.batches.list()} />;
}
