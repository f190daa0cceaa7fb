/** @file Making a batch. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { NewBatchView } from "./new-batch-view";

export const metadata: Metadata = { title: "New batch" };

const purposes = ["practice", "qualification"] as const;

export default async function NewBatchPage({
  searchParams,
}: {
  searchParams: Promise<{ purpose?: string }>;
}) {
  const caller = await requirePermission("labeling.lead");
  const [policies, doubtModels, groups, versions, batches, testDefaults, { purpose }] = await Promise.all([
    caller.batches.policies(),
    caller.batches.doubtModels(),
    caller.labelers.groups(),
    caller.guidelines.list(),
    caller.batches.list(),
    caller.qualification.testDefaults(),
    searchParams,
  ]);
  return (
    <NewBatchView
      policies={policies}
      doubtModels={doubtModels}
      groups={groups}
      versions={versions}
      sources={batches}
      testDefaults={testDefaults}
      purpose={purposes.find((one) => one === purpose) ?? "work"}
    />
  );
}
