/** @file Whether a run of PPO may be scored by the reward models chosen for it: said before it waits, not by its worker. */
import { eq } from "drizzle-orm";
import { checkpoints } from "@/drizzle/schema";
import type { Manifest } from "@/model/checkpoint/manifest";
import { expectSameTokenizer, OtherTokenizerError } from "@/model/checkpoint/reward-weights";
import type { Db } from "../db/db";
import { readLiveAccuracy } from "../domain/reward-models/live-accuracy";
import { readFailedProbes } from "../domain/reward-models/reward-models";
import { AppError } from "../errors";
import type { RunRewardModel } from "./run-inputs";

type Scored = {
  config: Record<string, unknown>;
  baseCheckpointId: string | null;
  rewardModels: readonly RunRewardModel[];
};

/**
 * Their files are known to be there.
 * @throws {AppError} NOT_FOUND; BAD_REQUEST for what is no reward model, or has another tokenizer; PRECONDITION_FAILED for one
 * that scores, and failed its probes or does worse on new rankings than it promised, and was not accepted
 */
export async function checkRewardModels(
  db: Db,
  { config, baseCheckpointId, rewardModels }: Scored,
  dataFolder: string,
): Promise<void> {
  for (const { checkpointId, role } of rewardModels) {
    const manifest = await readManifestOf(db, checkpointId);
    if (manifest.stage !== "reward")
      throw new AppError(
        "BAD_REQUEST",
        `${manifest.name} is of the stage ${manifest.stage}, and no reward model.`,
      );
    if (baseCheckpointId !== null) refuseOtherTokenizer(manifest, await readManifestOf(db, baseCheckpointId));
    if (role === "judge") continue;
    const named = { checkpointId, name: manifest.name, dataFolder };
    if (config.acceptFailedProbes !== true) await refuseFailedProbes(db, named);
    if (config.acceptFallenAccuracy !== true) await refuseFallenAccuracy(db, named);
  }
}

type Named = { checkpointId: string; name: string; dataFolder: string };

async function refuseFailedProbes(db: Db, { name, ...model }: Named): Promise<void> {
  const failed = (await readFailedProbes(db, model)) ?? [];
  if (failed.length > 0)
    throw new AppError(
      "PRECONDITION_FAILED",
      `acceptFailedProbes: ${name} failed ${failed.length} of its probes (${failed.join(", ")}): it prefers such responses to real ones, and PPO would find them. Choose another one, or accept it.`,
    );
}

async function refuseFallenAccuracy(db: Db, { name, ...model }: Named): Promise<void> {
  const { series, promised } = await readLiveAccuracy(db, model);
  const fallen = series.find(({ hasFallen }) => hasFallen);
  if (!fallen || promised === null) return;
  const of = fallen.policy ? ` between responses of ${fallen.policy.name}` : "";
  throw new AppError(
    "PRECONDITION_FAILED",
    `acceptFallenAccuracy: ${name} orders ${percent(fallen.recent.share)} of the pairs in the newest rankings${of} as people do, and its report promised ${percent(promised.share)}: the policy would learn what people no longer prefer. Train another one on these rankings, or accept it.`,
  );
}

const percent = (share: number | null) => `${((share ?? 0) * 100).toFixed(0)} %`;

async function readManifestOf(db: Db, checkpointId: string): Promise<Manifest> {
  const [row] = await db
    .select({ manifest: checkpoints.manifest })
    .from(checkpoints)
    .where(eq(checkpoints.id, checkpointId));
  if (!row) throw new AppError("NOT_FOUND", "There is no such reward model.");
  // Written by `registerCheckpoint` and by uploads, which have parsed it.
  return row.manifest as Manifest;
}

function refuseOtherTokenizer(rewardModel: Manifest, policy: Manifest): void {
  try {
    expectSameTokenizer(rewardModel, policy);
  } catch (error) {
    if (error instanceof OtherTokenizerError)
      throw new AppError("BAD_REQUEST", error.message, { cause: error });
    throw error;
  }
}
