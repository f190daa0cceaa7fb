/** @file All datasets. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { DatasetsView } from "./datasets-view";

export const metadata: Metadata = { title: "Datasets" };

export default async function DatasetsPage() {
  const caller = await requirePermission("runs.read");
  return <DatasetsView initialDatasets={await caller.datasets.list()} />;
}
