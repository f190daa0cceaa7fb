/** @file All reward models on this machine, and how far each can be trusted. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { RewardModelsView } from "./reward-models-view";

export const metadata: Metadata = { title: "Reward models" };

export default async function RewardModelsPage() {
  const caller = await requirePermission("runs.read");
  return <RewardModelsView models={await caller.rewardModels.list()} />;
}
