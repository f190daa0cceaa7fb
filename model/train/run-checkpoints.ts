/** @file The checkpoints in a run's folder: where each lies, which one to go on from, which ones are kept. */
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { readTrainingState, type TrainingState } from "./training-state";

export function checkpointFolder(checkpoints: string, step: number): string {
  return path.join(checkpoints, `step-${String(step).padStart(6, "0")}`);
}

/** The newest checkpoint with a state of this very configuration. */
export async function lastState(
  checkpoints: string,
  configSha256: string,
): Promise<{ folder: string; state: TrainingState } | null> {
  for (const name of (await stepFolders(checkpoints)).toReversed()) {
    const folder = path.join(checkpoints, name);
    if (!(await isThere(path.join(folder, "state", "state.json")))) continue;
    const state = await readTrainingState(path.join(folder, "state"));
    if (state.configSha256 === configSha256) return { folder, state };
  }
  return null;
}

/** Kept are the newest two and those named; the rest would only fill the disk. */
export async function removeOldCheckpoints(checkpoints: string, keep: readonly number[]): Promise<void> {
  for (const name of (await stepFolders(checkpoints)).slice(0, -2)) {
    if (!keep.includes(stepOf(name))) await rm(path.join(checkpoints, name), { recursive: true });
  }
}

export const isThere = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );

const stepOf = (name: string) => Number(name.slice("step-".length));

/** In order of steps. */
async function stepFolders(checkpoints: string): Promise<string[]> {
  const names = (await readdir(checkpoints)).filter((name) => /^step-\d+$/.test(name));
  return names.toSorted((a, b) => stepOf(a) - stepOf(b));
}
