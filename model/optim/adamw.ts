/** @file AdamW over named parameters: gradient accumulation, clipping by global norm, steps that are refused when not finite. */
import { type AdamWSettings, BlockOps } from "./block-ops";
import { groupParameters, type ParameterGroup } from "./parameter-group";

export type AdamWOptions = AdamWSettings & {
  weightDecay: number;
  /** Longest allowed gradient, over all parameters together; null is no clipping. */
  maxGradientNorm: number | null;
  threads: number;
};

export const defaultAdamW = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradientNorm: 1,
} as const satisfies Omit<AdamWOptions, "threads">;

/** First and second moment of one parameter. */
export type Moments = { m: Float32Array; v: Float32Array };

/** A parameter that is trained. `shape` decides about decay: vectors (norms, biases) have none. */
export type TrainedParameter = { values: Float32Array; shape: readonly number[] };

export type StepOutcome = {
  /** Before clipping. */
  gradientNorm: number;
  /** False when nothing was changed: the gradient was not finite, or was discarded. */
  applied: boolean;
};

export class AdamW implements AsyncDisposable {
  /** By parameter name; read and written as the training state. */
  readonly moments: ReadonlyMap<string, Moments>;
  /** Steps applied so far. */
  stepCount = 0;
  readonly #groups: readonly ParameterGroup[];
  readonly #options: AdamWOptions;
  readonly #ops: BlockOps;

  private constructor(
    parameters: ReadonlyMap<string, TrainedParameter>,
    options: AdamWOptions,
    ops: BlockOps,
  ) {
    this.#groups = groupParameters(parameters);
    this.#options = options;
    this.#ops = ops;
    const byName = new Map(this.#groups.flatMap((group) => [...group.momentsOf()]));
    this.moments = new Map([...parameters.keys()].map((name) => [name, known(byName.get(name), name)]));
  }

  static async create(
    parameters: ReadonlyMap<string, TrainedParameter>,
    options: AdamWOptions,
  ): Promise<AdamW> {
    return new AdamW(parameters, options, await BlockOps.create(options, options));
  }

  /** Adds one batch's gradients to the step's; the arrays are taken over. */
  async accumulate(gradientOf: (name: string) => Float32Array): Promise<void> {
    for (const group of this.#groups)
      await group.accumulate(gradientOf, (target, addend) => this.#ops.addTo(target, addend));
  }

  /** Applies what was accumulated and forgets it. */
  async step(lr: number): Promise<StepOutcome> {
    const gradientNorm = await this.#gradientNorm();
    const applied = Number.isFinite(gradientNorm);
    if (applied) await this.#apply(lr, gradientNorm);
    this.#forget();
    return { gradientNorm, applied };
  }

  /** Forgets what was accumulated; nothing else changes. */
  async discard(): Promise<StepOutcome> {
    const gradientNorm = await this.#gradientNorm();
    this.#forget();
    return { gradientNorm, applied: false };
  }

  #forget(): void {
    for (const group of this.#groups) group.forget();
  }

  async #gradientNorm(): Promise<number> {
    let squares = 0;
    for (const group of this.#groups) squares += await this.#ops.sumSquares(known(group.gradient, "a step"));
    return Math.sqrt(squares);
  }

  async #apply(lr: number, gradientNorm: number): Promise<void> {
    const { maxGradientNorm, weightDecay } = this.#options;
    // The 1e-6 is PyTorch's clip_grad_norm_.
    const gradientScale = maxGradientNorm === null ? 1 : Math.min(1, maxGradientNorm / (gradientNorm + 1e-6));
    this.stepCount++;
    for (const group of this.#groups) {
      const gradient = known(group.gradient, "a step");
      const step = { step: this.stepCount, lr, weightDecay: group.decays ? weightDecay : 0, gradientScale };
      await group.update((parameter) => this.#ops.adamW({ parameter, gradient, ...group.moments }, step));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ops[Symbol.asyncDispose]();
  }
}

function known<T>(value: T | null | undefined, of: string): T {
  if (value === undefined || value === null) throw new Error(`Nothing was accumulated for ${of}`);
  return value;
}
