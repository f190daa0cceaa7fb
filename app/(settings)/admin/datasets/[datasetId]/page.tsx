/** @file One dataset. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { isNotFound } from "@/app/_lib/not-found-error";
import { requirePermission } from "@/app/_lib/server-caller";
import { DatasetView } from "./dataset-view";

export const metadata: Metadata = { title: "Dataset" };

export default async function DatasetPage({ params }: { params: Promise<{ datasetId: string }> }) {
  const { datasetId } = await params;
  const caller = await requirePermission("runs.read");
  const dataset = await caller.datasets.get({ datasetId }).catch((error: unknown) => {
    if (isNotFound(error)) notFound();
    throw error;
  });
  return <DatasetView initialDataset={dataset} />;
}
