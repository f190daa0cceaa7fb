/** @file One reward model: how far it can be trusted, alone or beside another (`?with=`). */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { isNotFound } from "@/app/_lib/not-found-error";
import { requirePermission } from "@/app/_lib/server-caller";
import { RewardModelView } from "./reward-model-view";

export const metadata: Metadata = { title: "Reward model" };

type RewardModelPageProps = {
  params: Promise<{ checkpointId: string }>;
  searchParams: Promise<{ with?: string | string[] }>;
};

export default async function RewardModelPage({ params, searchParams }: RewardModelPageProps) {
  const { checkpointId } = await params;
  const [otherId] = [(await searchParams).with ?? []].flat();
  const caller = await requirePermission("runs.read");
  const read = async (id: string) => {
    try {
      return await caller.rewardModels.get({ checkpointId: id });
    } catch (error) {
      if (isNotFound(error)) notFound();
      throw error;
    }
  };
  const model = await read(checkpointId);
  const other = otherId && otherId !== checkpointId ? await read(otherId) : null;
  const [models, evaluation, current, live] = await Promise.all([
    caller.rewardModels.list(),
    caller.rewardModels.evaluation({ checkpointId }),
    caller.rewardModels.current(),
    caller.rewardModels.live({ checkpointId }),
  ]);
  return (
    <RewardModelView
      initial={model}
      other={other}
      models={models}
      initialEvaluation={evaluation}
      initialCurrent={current}
      initialLive={live}
    />
  );
}
