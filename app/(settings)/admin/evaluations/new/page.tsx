/** @file Making an evaluation. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { NewEvaluationView } from "./new-evaluation-view";

export const metadata: Metadata = { title: "Compare two policies" };

type NewEvaluationPageProps = { searchParams: Promise<{ candidate?: string }> };

export default async function NewEvaluationPage({ searchParams }: NewEvaluationPageProps) {
  const caller = await requirePermission("models.manage");
  const [policies, rewardModels, groups, { usable }, { candidate }] = await Promise.all([
    caller.batches.policies(),
    caller.batches.doubtModels(),
    caller.labelers.groups(),
    caller.batches.countPrompts({ task: "pairwise", filter: { splits: ["test"], includesUsed: true } }),
    searchParams,
  ]);
  return (
    <NewEvaluationView
      policies={policies}
      rewardModels={rewardModels}
      groups={groups}
      prompts={usable}
      candidateId={candidate ?? ""}
      today={new Date().toISOString().slice(0, 10)}
    />
  );
}
