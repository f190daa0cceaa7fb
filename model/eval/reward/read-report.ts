/** @file The report that a reward model's run left beside its weights. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { CorruptFileError } from "../../checkpoint/errors";
import { type RewardReport, rewardReportFile, rewardReportSchema } from "./report";

/**
 * @returns null where the checkpoint has none: it was trained elsewhere, or before there were reports
 * @throws CorruptFileError where it has one that cannot be read
 */
export async function readRewardReport(folder: string): Promise<RewardReport | null> {
  const file = path.join(folder, rewardReportFile);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
  if (text === null) return null;
  const parsed = rewardReportSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CorruptFileError(
    file,
    `it does not fit at ${issue?.path.join(".") || "its root"}: ${issue?.message}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
