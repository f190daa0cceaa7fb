/** @file Whether a run of PPO may be scored by the reward models chosen for it: said before it waits, not by its worker. */
import { eq } from "drizzle-orm";
import { checkpoints } from "@/drizzle/schema";
import type { Manifest } from "@/model/checkpoint/manifest";
import { expectSameTokenizer, OtherTokenizerError } from "@/model/checkpoint/reward-weights";
import type { Db } from "../db/db";
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
 * that scores, failed its probes, and was not accepted
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
    if (role === "judge" || config.acceptFailedProbes === true) continue;
    const failed = (await readFailedProbes(db, { checkpointId, dataFolder })) ?? [];
    if (failed.length > 0)
      throw new AppError(
        "PRECONDITION_FAILED",
        `acceptFailedProbes: ${manifest.name} failed ${failed.length} of its probes (${failed.join(", ")}): it prefers such responses to real ones, and PPO would find them. Choose another one, or accept it.`,
      );
  }
}

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
