/** @file AdamW over named parameters: gradient accumulation, clipping by global norm, steps that are refused when not finite. */
import { type AdamWSettings, BlockOps } from "./block-ops";

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
  readonly #parameters: ReadonlyMap<string, TrainedParameter>;
  readonly #options: AdamWOptions;
  readonly #ops: BlockOps;
  readonly #gradients = new Map<string, Float32Array>();

  private constructor(
    parameters: ReadonlyMap<string, TrainedParameter>,
    options: AdamWOptions,
    ops: BlockOps,
  ) {
    this.#parameters = parameters;
    this.#options = options;
    this.#ops = ops;
    const zeros = ({ values: { length } }: TrainedParameter) => ({
      m: new Float32Array(length),
      v: new Float32Array(length),
    });
    this.moments = new Map([...parameters].map(([name, parameter]) => [name, zeros(parameter)]));
  }

  static async create(
    parameters: ReadonlyMap<string, TrainedParameter>,
    options: AdamWOptions,
  ): Promise<AdamW> {
    return new AdamW(parameters, options, await BlockOps.create(options, options));
  }

  /** Adds one batch's gradients to the step's. The first array of each name is kept, and added to by the next ones. */
  async accumulate(gradientOf: (name: string) => Float32Array): Promise<void> {
    for (const name of this.#parameters.keys()) {
      const known = this.#gradients.get(name);
      if (known === undefined) this.#gradients.set(name, gradientOf(name));
      else await this.#ops.addTo(known, gradientOf(name));
    }
  }

  /** Applies what was accumulated and forgets it. */
  async step(lr: number): Promise<StepOutcome> {
    const gradientNorm = await this.#gradientNorm();
    const applied = Number.isFinite(gradientNorm);
    if (applied) await this.#apply(lr, gradientNorm);
    this.#gradients.clear();
    return { gradientNorm, applied };
  }

  /** Forgets what was accumulated; nothing else changes. */
  async discard(): Promise<StepOutcome> {
    const gradientNorm = await this.#gradientNorm();
    this.#gradients.clear();
    return { gradientNorm, applied: false };
  }

  async #gradientNorm(): Promise<number> {
    let squares = 0;
    for (const gradient of this.#gradients.values()) squares += await this.#ops.sumSquares(gradient);
    return Math.sqrt(squares);
  }

  async #apply(lr: number, gradientNorm: number): Promise<void> {
    const { maxGradientNorm, weightDecay } = this.#options;
    // The 1e-6 is PyTorch's clip_grad_norm_.
    const gradientScale = maxGradientNorm === null ? 1 : Math.min(1, maxGradientNorm / (gradientNorm + 1e-6));
    this.stepCount++;
    for (const [name, { values, shape }] of this.#parameters) {
      const [gradient, moments] = [this.#gradients.get(name), this.moments.get(name)];
      if (gradient === undefined || moments === undefined)
        throw new Error(`No gradient was accumulated for ${name}`);
      const step = {
        step: this.stepCount,
        lr,
        weightDecay: shape.length > 1 ? weightDecay : 0,
        gradientScale,
      };
      await this.#ops.adamW({ parameter: values, gradient, ...moments }, step);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ops[Symbol.asyncDispose]();
  }
}
