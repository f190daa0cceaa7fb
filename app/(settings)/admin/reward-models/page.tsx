/** @file All reward models on this machine, and how far each can be trusted. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { RewardModelsView } from "./reward-models-view";

export const metadata: Metadata = { title: "Reward models" };

export default async function RewardModelsPage() {
  const caller = await requirePermission("runs.read");
  const [models, current] = await Promise.all([caller.rewardModels.list(), caller.rewardModels.current()]);
  return <RewardModelsView models={models} current={current} />;
}
