/** @file Starting a run; `?clone=` begins with another run's settings, `?stage=`, `?dataset=`, `?base=` and `?reward=` with those chosen. */
import type { Metadata } from "next";
import { requirePermission } from "@/app/_lib/server-caller";
import { NewRunView } from "./new-run-view";

export const metadata: Metadata = { title: "New run" };

type NewRunPageProps = { searchParams: Promise<Record<string, string | string[] | undefined>> };

export default async function NewRunPage({ searchParams }: NewRunPageProps) {
  const { clone, dataset, base, reward, stage } = await searchParams;
  const caller = await requirePermission("runs.manage");
  const [stages, checkpoints, datasets, rewardModels, page, ppoTimings, cloned] = await Promise.all([
    caller.runs.stages(),
    caller.models.checkpoints(),
    caller.datasets.list(),
    caller.rewardModels.list(),
    // Speeds for the estimate.
    caller.runs.list({ statuses: ["finished", "running", "paused", "pausing"], limit: 100 }),
    caller.runs.ppoTimings(),
    typeof clone === "string" ? caller.runs.get({ runId: clone }).catch(() => null) : null,
  ]);
  return (
    <NewRunView
      stages={stages}
      checkpoints={checkpoints}
      initialDatasets={datasets}
      rewardModels={rewardModels}
      earlierRuns={page.runs}
      ppoTimings={ppoTimings}
      cloned={cloned}
      chosen={{
        datasetId: typeof dataset === "string" ? dataset : null,
        datasetKind: datasets.find(({ id }) => id === dataset)?.kind ?? null,
        baseCheckpointId: typeof base === "string" ? base : null,
        stage: typeof stage === "string" ? stage : null,
        rewardModelId: typeof reward === "string" ? reward : null,
      }}
    />
  );
}
