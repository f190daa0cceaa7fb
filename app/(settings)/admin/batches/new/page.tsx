/** @file Making a batch. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { NewBatchView } from "./new-batch-view";

export const metadata: Metadata = { title: "New batch" };

export default async function NewBatchPage() {
  const caller = await requirePermission("labeling.lead");
  const [policies, groups, versions] = await Promise.all([
    caller.batches.policies(),
    caller.labelers.groups(),
    caller.guidelines.list(),
  ]);
  return <NewBatchView policies={policies} groups={groups} versions={versions} />;
}
