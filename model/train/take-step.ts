/** @file One optimizer update from several batches: what every objective's trainer does with its passes. */
import type { AdamW, StepOutcome } from "../optim/adamw";
import type { OptimizerState, Trained } from "./training-state";

export type TrainingStep = {
  /** Its number in the run, which decides what dropout drops. */
  step: number;
  lr: number;
  /** Says by the loss, before anything is changed, whether the step is to be applied. */
  accepts?: (loss: number) => boolean;
};

export type TrainingStepOutcome = StepOutcome & {
  loss: number;
  /** Of the passes forward and backward, and of the optimizer. */
  seconds: { gradient: number; update: number };
};

/** Something that learns from batches, step by step. */
export type Learner<B> = {
  readonly optimizer: OptimizerState;
  /** What is trained; changed in place by each step. */
  readonly trained: Trained;
  /** One update by all of its batches. */
  step(batches: readonly B[], step: TrainingStep): Promise<TrainingStepOutcome>;
};

/** One batch's part of the step's loss, and its gradients by parameter. */
export type Pass = { loss: number; gradientOf: (name: string) => Float32Array };

/** The losses and the gradients of all batches are added up. */
export async function takeStep<B>(
  optimizer: AdamW,
  batches: readonly B[],
  { lr, accepts = Number.isFinite }: TrainingStep,
  pass: (batch: B, at: number) => Promise<Pass>,
): Promise<TrainingStepOutcome> {
  const startedAt = performance.now();
  let loss = 0;
  for (const [at, batch] of batches.entries()) {
    const { loss: part, gradientOf } = await pass(batch, at);
    loss += part;
    optimizer.accumulate(gradientOf);
  }
  const differentiatedAt = performance.now();
  const outcome = accepts(loss) ? optimizer.step(lr) : optimizer.discard();
  const seconds = {
    gradient: (differentiatedAt - startedAt) / 1000,
    update: (performance.now() - differentiatedAt) / 1000,
  };
  return { loss, seconds, ...outcome };
}

/** Of a graph's outputs. */
export function gradientFrom(
  outputs: Readonly<Record<string, unknown>>,
  gradientName: (parameter: string) => string,
): (name: string) => Float32Array {
  return (name) => {
    const gradient = outputs[gradientName(name)];
    if (gradient instanceof Float32Array) return gradient;
    throw new Error(`The graph returned no gradient of ${name}`);
  };
}
