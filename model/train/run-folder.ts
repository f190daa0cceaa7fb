/** @file Whose a run's folder is: run.json holds the stage and the settings, and no other run or process writes there. */
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { syncFolder, writeFileDurably } from "../checkpoint/file-access";
import { describeHolder, type LockHolder, takeFolderLock } from "../checkpoint/folder-lock";
import { baseFolderName } from "../checkpoint/lineage-base";
import { parseJson } from "../checkpoint/safetensors-reader";

/** The output folder holds something that this run must not mix with or write over. */
export class RunFolderError extends Error {
  override readonly name = "RunFolderError";
}

const runFileSchema = z.object({
  formatVersion: z.literal(1),
  stage: z.enum(["pretrain", "sft", "reward", "ppo"]),
  /** All of them, defaults included, but for the paths of files: what these hold is told by the ids below. */
  settings: z.record(z.string(), z.json()),
  datasetSha256: z.string(),
  /** Id of the checkpoint it starts from, or whose tokenizer it takes; null where it takes nothing. */
  base: z.string().nullable(),
});
type RunFile = z.infer<typeof runFileSchema>;
type NewRunFile = Omit<RunFile, "formatVersion" | "settings"> & {
  settings: Readonly<Record<string, unknown>>;
};

const fileName = "run.json";
const draftName = `${fileName}.part`;
const lockName = "run.lock";
/** Longer than any step: while one is computed, nothing can be touched. */
const foreignStaleMs = 15 * 60 * 1000;
/** What a run itself puts there. */
const ownNames = [
  fileName,
  draftName,
  "checkpoints",
  baseFolderName,
  "start",
  "tokenizer",
  ".sampling",
  "folds",
];

/**
 * Settings by which a run is told from others. Where its files lie is none of them: a run may go on in another folder.
 * @param settings of any stage
 */
export function settingsWithoutPaths(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { output, data, model, tokenizer, pretrainMix, demonstrations, rewardModels, ...rest } = settings;
  const mix = z.looseObject({ share: z.number() }).safeParse(pretrainMix);
  return {
    ...rest,
    ...(tokenizer !== undefined && typeof tokenizer !== "string" && { tokenizer }),
    ...(mix.success && { pretrainMix: { share: mix.data.share } }),
  };
}

/**
 * Makes the folder this run's, or finds that it is already. What an earlier run without a checkpoint left is removed.
 * @returns holds the folder for this process until disposed
 * @throws RunFolderError when it holds another run's checkpoints, or files that are no run's, or another process trains there
 */
export async function claimRunFolder(output: string, run: NewRunFile): Promise<Disposable> {
  // Before anything is put there: a folder of something else stays as it is.
  await readRunFile(output);
  await mkdir(output, { recursive: true });
  const file = path.join(output, lockName);
  const refuse = (holder: LockHolder) =>
    new RunFolderError(
      `${output} is in use by ${describeHolder(holder)}. Wait for it, stop it, or choose another output. Only if it certainly no longer runs: remove ${file}.`,
    );
  const lock = takeFolderLock({ file, purpose: run.stage, foreignStaleMs, refuse });
  try {
    await claim(output, run);
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

async function claim(output: string, run: NewRunFile): Promise<void> {
  const settings = settingsWithoutPaths(run.settings);
  const mine = runFileSchema.parse(JSON.parse(JSON.stringify({ formatVersion: 1, ...run, settings })));
  const found = await readRunFile(output);
  if (isDeepStrictEqual(found, mine)) return;
  if (found !== null) {
    if (await hasCheckpoints(output)) throw new RunFolderError(describeOther(output, found, mine));
    for (const name of ownNames) await rm(path.join(output, name), { recursive: true, force: true });
  }
  // Whole or not at all: half of it, on a full disk or after a kill, would be no run's.
  const draft = path.join(output, draftName);
  await rm(draft, { force: true });
  await writeFileDurably(draft, [`${JSON.stringify(mine, null, 2)}\n`]);
  await rename(draft, path.join(output, fileName));
  await syncFolder(output);
}

/** null in an empty folder, and where only checkpoints were brought from elsewhere to go on from. */
async function readRunFile(output: string): Promise<RunFile | null> {
  const names: string[] = await readdir(output).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return [];
    throw new RunFolderError(`${output} is no folder. Choose another output.`, { cause });
  });
  if (!names.includes(fileName)) {
    const others = names.filter((name) => !ownNames.includes(name) && !name.startsWith(lockName));
    if (others.length === 0) return null;
    throw new RunFolderError(
      `${output} holds something else (${others.slice(0, 3).join(", ")}), not a run. Choose a new folder as output.`,
    );
  }
  const file = path.join(output, fileName);
  const parsed = runFileSchema.safeParse(parseJson(await readFile(file, "utf8"), file));
  if (parsed.success) return parsed.data;
  throw new RunFolderError(`${file} is no run's. Choose a new folder as output.`);
}

async function hasCheckpoints(output: string): Promise<boolean> {
  const names = await readdir(path.join(output, "checkpoints")).catch(() => []);
  return names.some((name) => name.startsWith("step-"));
}

function describeOther(output: string, found: RunFile, mine: RunFile): string {
  if (found.stage !== mine.stage) return `${output} holds a ${found.stage} run. Choose another output.`;
  const keys = [...new Set([...Object.keys(found.settings), ...Object.keys(mine.settings)])];
  const differences = keys
    .filter((key) => !isDeepStrictEqual(found.settings[key], mine.settings[key]))
    .map((key) => `${key} is ${say(found.settings[key])} there and ${say(mine.settings[key])} here`);
  if (found.datasetSha256 !== mine.datasetSha256) differences.push("the data have changed since");
  if (found.base !== mine.base) differences.push("the model it starts from has changed since");
  return `${output} holds a run of other settings: ${differences.join("; ")}. Choose another output, or remove that folder.`;
}

const say = (value: unknown) => (value === undefined ? "not set" : JSON.stringify(value));
