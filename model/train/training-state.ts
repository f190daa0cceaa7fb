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
  stage: z.enum(["pretrain", "sft", "reward", "ppo"]),
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
      validationLoss: z.number().optional(),
      pairAccuracy: z.number().optional(),
      heldOutScore: z.number().optional(),
      heldOutKl: z.number().optional(),
      heldOutWin: z.number().optional(),
    })
    .nullable(),
  /** The same of pair accuracy, where the stage has it. */
  pairAccuracyBefore: z.number().optional(),
  pairAccuracy: z.number().optional(),
  /** Of a policy under PPO: the mean score of what it says to held-out prompts, and how far it is from its reference. */
  heldOutScoreBefore: z.number().optional(),
  heldOutScore: z.number().optional(),
  heldOutKl: z.number().optional(),
  /** Share of that which scores above what the policy it starts from says to the same prompts. */
  heldOutWin: z.number().optional(),
  /** It was stopped or paused while it was evaluated: that comes first when it goes on. */
  evaluationDue: z.boolean().optional(),
  /** What one stage alone has to know; left out: nothing. */
  ofStage: z.record(z.string(), z.json()).optional(),
});

export type TrainingState = z.infer<typeof trainingStateSchema>;
export type StageState = NonNullable<TrainingState["ofStage"]>;

/** Of what is trained, that which is in no file of the checkpoint itself. */
const hiddenFile = "hidden.safetensors";

export type Trained = ReadonlyMap<string, TrainedParameter>;

/** Moments by parameter, and the steps they come from: an optimizer, or several that are kept as one. */
export type OptimizerState = Pick<AdamW, "moments" | "stepCount">;

/** Writes the files into a new folder, the JSON last. */
export async function writeTrainingState(
  folder: string,
  state: TrainingState,
  { optimizer, trained, hidden }: { optimizer: OptimizerState; trained: Trained; hidden: Trained | null },
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const moments = [...optimizer.moments].flatMap(([name, { m, v }]) => {
    const shape = trained.get(name)?.shape ?? [m.length];
    return [floatTensor(`${name}.m`, shape, m), floatTensor(`${name}.v`, shape, v)];
  });
  await writeSafetensors(path.join(folder, "optimizer.safetensors"), moments);
  if (hidden) {
    const tensors = [...hidden].map(([name, { shape, values }]) => floatTensor(name, shape, values));
    await writeSafetensors(path.join(folder, hiddenFile), tensors);
  }
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
export function restoreOptimizer(
  folder: string,
  { optimizerSteps }: TrainingState,
  optimizer: OptimizerState,
): void {
  using tensors = openSafetensors([path.join(folder, "optimizer.safetensors")]);
  for (const [name, { m, v }] of optimizer.moments) {
    m.set(tensors.read(`${name}.m`));
    v.set(tensors.read(`${name}.v`));
  }
  optimizer.stepCount = optimizerSteps;
}

/** Puts what `hidden` was when it was written into the arrays of the same names. @param folder the state's */
export function restoreHidden(folder: string, hidden: Trained): void {
  using tensors = openSafetensors([path.join(folder, hiddenFile)]);
  for (const [name, { values }] of hidden) values.set(tensors.read(name));
}
