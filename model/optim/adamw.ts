/** @file AdamW over named parameters: gradient accumulation, clipping by global norm, steps that are refused when not finite. */
import { type AdamWSettings, addTo, sumSquares, updateAdamW } from "./element-loops";

export type AdamWOptions = AdamWSettings & {
  weightDecay: number;
  /** Longest allowed gradient, over all parameters together; null is no clipping. */
  maxGradientNorm: number | null;
  /** What multiplies the learning rate of a parameter, by name; 1 for all others. */
  lrFactors?: ReadonlyMap<string, number>;
};

export const defaultAdamW = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradientNorm: 1,
} as const satisfies AdamWOptions;

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

export class AdamW {
  /** By parameter name; read and written as the training state. */
  readonly moments: ReadonlyMap<string, Moments>;
  /** Steps applied so far. */
  stepCount = 0;
  readonly #parameters: ReadonlyMap<string, TrainedParameter>;
  readonly #options: AdamWOptions;
  readonly #gradients = new Map<string, Float32Array>();

  constructor(parameters: ReadonlyMap<string, TrainedParameter>, options: AdamWOptions) {
    this.#parameters = parameters;
    this.#options = options;
    const zeros = ({ values: { length } }: TrainedParameter) => ({
      m: new Float32Array(length),
      v: new Float32Array(length),
    });
    this.moments = new Map([...parameters].map(([name, parameter]) => [name, zeros(parameter)]));
  }

  /** Adds one batch's gradients to the step's. The first array of each name is kept, and added to by the next ones. */
  accumulate(gradientOf: (name: string) => Float32Array): void {
    for (const name of this.#parameters.keys()) {
      const known = this.#gradients.get(name);
      if (known === undefined) this.#gradients.set(name, gradientOf(name));
      else addTo(known, gradientOf(name));
    }
  }

  /** Applies what was accumulated and forgets it. */
  step(lr: number): StepOutcome {
    const gradientNorm = this.#gradientNorm();
    const applied = Number.isFinite(gradientNorm);
    if (applied) this.#apply(lr, gradientNorm);
    this.#gradients.clear();
    return { gradientNorm, applied };
  }

  /** Forgets what was accumulated; nothing else changes. */
  discard(): StepOutcome {
    const gradientNorm = this.#gradientNorm();
    this.#gradients.clear();
    return { gradientNorm, applied: false };
  }

  #gradientNorm(): number {
    let squares = 0;
    for (const gradient of this.#gradients.values()) squares += sumSquares(gradient);
    return Math.sqrt(squares);
  }

  #apply(lr: number, gradientNorm: number): void {
    const { maxGradientNorm, weightDecay, lrFactors } = this.#options;
    // The 1e-6 is PyTorch's clip_grad_norm_.
    const gradientScale = maxGradientNorm === null ? 1 : Math.min(1, maxGradientNorm / (gradientNorm + 1e-6));
    this.stepCount++;
    for (const [name, { values, shape }] of this.#parameters) {
      const [gradient, moments] = [this.#gradients.get(name), this.moments.get(name)];
      if (gradient === undefined || moments === undefined)
        throw new Error(`No gradient was accumulated for ${name}`);
      const decay = shape.length > 1 ? weightDecay : 0;
      const ofParameter = lr * (lrFactors?.get(name) ?? 1);
      const step = { step: this.stepCount, lr: ofParameter, weightDecay: decay, gradientScale };
      updateAdamW({ parameter: values, gradient, ...moments }, step, this.#options);
    }
  }
}
