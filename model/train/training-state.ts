/** @file What a run must know to go on as if nothing had happened: state.json and optimizer.safetensors (docs/formats.md). */
import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { syncFolder, writeFileDurably } from "../checkpoint/file-access";
import { openSafetensors } from "../checkpoint/safetensors-reader";
import { writeSafetensors } from "../checkpoint/safetensors-writer";
import type { AdamW, TrainedParameter } from "../optim/adamw";
import { floatTensor } from "./float-tensor";

export const trainingStateSchema = z.object({
  formatVersion: z.literal(1),
  stage: z.enum(["pretrain", "sft", "reward"]),
  /** Steps done; the next one's number, counted from 0. */
  step: z.int().nonnegative(),
  /** Of the next step. */
  epoch: z.int().nonnegative(),
  /** Steps that were not applied (not finite, or a loss spike); a resumed run leaves them out as well. */
  skippedSteps: z.array(z.int().nonnegative()),
  /** Updates the optimizer applied: its bias correction counts these. */
  optimizerSteps: z.int().nonnegative(),
  /** By the applied steps, padding left out. */
  tokensSeen: z.int().nonnegative(),
  /** Of the last applied steps, at most 50, newest last: what a spike is told by. */
  recentLosses: z.array(z.number()).max(50),
  seed: z.int().nonnegative(),
  /** sha256 of the run's configuration: another one is another run. */
  configSha256: z.string(),
  threads: z.int().positive(),
  /** Before the first step, and at the last evaluation; null where nothing is held out. */
  validationLossBefore: z.number().nullable(),
  validationLoss: z.number().nullable(),
  best: z
    .object({
      step: z.int().nonnegative(),
      validationLoss: z.number(),
      pairAccuracy: z.number().optional(),
    })
    .nullable(),
  /** The same of pair accuracy, where the stage has it. */
  pairAccuracyBefore: z.number().optional(),
  pairAccuracy: z.number().optional(),
});

export type TrainingState = z.infer<typeof trainingStateSchema>;

/** Writes both files into a new folder, the JSON last. */
export async function writeTrainingState(
  folder: string,
  state: TrainingState,
  optimizer: AdamW,
  trained: ReadonlyMap<string, TrainedParameter>,
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const moments = [...optimizer.moments].flatMap(([name, { m, v }]) => {
    const shape = trained.get(name)?.shape ?? [m.length];
    return [floatTensor(`${name}.m`, shape, m), floatTensor(`${name}.v`, shape, v)];
  });
  await writeSafetensors(path.join(folder, "optimizer.safetensors"), moments);
  await writeFileDurably(path.join(folder, "state.json"), [
    // Parsed, so that the keys have one order whether the state was read or made.
    `${JSON.stringify(trainingStateSchema.parse(state), null, 2)}\n`,
  ]);
  await syncFolder(folder);
}

export async function readTrainingState(folder: string): Promise<TrainingState> {
  return trainingStateSchema.parse(JSON.parse(await readFile(path.join(folder, "state.json"), "utf8")));
}

/** Puts the stored moments into a new optimizer of the same parameters. */
export function restoreOptimizer(folder: string, { optimizerSteps }: TrainingState, optimizer: AdamW): void {
  using tensors = openSafetensors([path.join(folder, "optimizer.safetensors")]);
  for (const [name, { m, v }] of optimizer.moments) {
    m.set(tensors.read(`${name}.m`));
    v.set(tensors.read(`${name}.v`));
  }
  optimizer.stepCount = optimizerSteps;
}
