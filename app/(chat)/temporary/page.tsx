/** @file A chat that is stored nowhere; `?checkpoint=` puts a checkpoint beside the live policy, for those who manage models. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { requirePermission } from "@/app/_lib/server-caller";
import { BesideView } from "../_conversation/beside-view";
import { TemporaryView } from "../_conversation/temporary-view";

export const metadata: Metadata = { title: "Temporary chat" };

type TemporaryPageProps = { searchParams: Promise<{ checkpoint?: string | string[] }> };

export default async function TemporaryPage({ searchParams }: TemporaryPageProps) {
  const { checkpoint: checkpointId } = await searchParams;
  if (checkpointId === undefined) return <TemporaryView />;
  const caller = await requirePermission("models.manage");
  const [checkpoints, channels] = await Promise.all([caller.models.checkpoints(), caller.models.channels()]);
  const checkpoint = checkpoints.find(({ id, stage }) => id === checkpointId && stage !== "reward");
  if (!checkpoint) notFound();
  const { id, name, run } = checkpoint;
  const origin = run ? `run ${run.number}, step ${run.step.toLocaleString("en")}` : `id ${id.slice(0, 12)}`;
  const live = channels.find((channel) => channel.name === "live");
  return (
    <BesideView checkpoint={{ id, name, origin }} liveName={live?.checkpoint.name ?? "The live policy"} />
  );
}
