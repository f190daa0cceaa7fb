/** @file The reports that a reward model's run left beside its weights. */
import path from "node:path";
import { type RewardReport, rewardReportFile, rewardReportSchema } from "./report";
import { readReportFile } from "./report-file";
import { type RewardTrials, rewardTrialsFile, rewardTrialsSchema } from "./trials";

/**
 * @returns null where the checkpoint has none: it was trained elsewhere, or before there were reports
 * @throws CorruptFileError where it has one that cannot be read
 */
export async function readRewardReport(folder: string): Promise<RewardReport | null> {
  return readReportFile(path.join(folder, rewardReportFile), rewardReportSchema);
}

/** As `readRewardReport`. */
export async function readRewardTrials(folder: string): Promise<RewardTrials | null> {
  return readReportFile(path.join(folder, rewardTrialsFile), rewardTrialsSchema);
}
