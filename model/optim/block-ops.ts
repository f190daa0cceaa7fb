/** @file The arithmetic of an optimizer on flat blocks of parameters, as small graphs: no loop over elements in JavaScript. */
import { Graph } from "../graph/graph";
import { GraphSession, type TensorData } from "../runtime/graph-session";

export type AdamWSettings = {
  beta1: number;
  beta2: number;
  /** Added to the root of the second moment. */
  epsilon: number;
};

/** Elements handled at once: gradient, parameter and both moments of a block stay in the processor's cache. */
const blockSize = 2 ** 18;

export type AdamWArrays = {
  parameter: Float32Array;
  gradient: Float32Array;
  m: Float32Array;
  v: Float32Array;
};

/** What differs from step to step and from parameter to parameter. */
export type AdamWStep = {
  /** Counted from 1. */
  step: number;
  lr: number;
  /** Share of the parameter taken off at each step, times lr. */
  weightDecay: number;
  /** Multiplies the gradient first: clipping. */
  gradientScale: number;
};

/** Compiled once for any number of parameters of any size. */
export class BlockOps implements AsyncDisposable {
  readonly #adamW: GraphSession;
  readonly #sumSquares: GraphSession;
  readonly #add: GraphSession;

  private constructor(
    readonly settings: AdamWSettings,
    sessions: readonly [GraphSession, GraphSession, GraphSession],
  ) {
    [this.#adamW, this.#sumSquares, this.#add] = sessions;
  }

  static async create(settings: AdamWSettings, { threads }: { threads: number }): Promise<BlockOps> {
    const sessions = await Promise.all([
      GraphSession.create(adamWGraph(settings), { threads }),
      GraphSession.create(sumSquaresGraph(), { threads }),
      GraphSession.create(addGraph(), { threads }),
    ]);
    return new BlockOps(settings, sessions);
  }

  /** Changes parameter, m and v in place. */
  async adamW(
    { parameter, gradient, m, v }: AdamWArrays,
    { step, lr, weightDecay, gradientScale }: AdamWStep,
  ) {
    const { beta1, beta2 } = this.settings;
    const scalars = {
      gradientScale: Float32Array.of(gradientScale),
      keep: Float32Array.of(1 - lr * weightDecay),
      // Bias corrections (arXiv 1412.6980): lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon).
      stepSize: Float32Array.of(lr / (1 - beta1 ** step)),
      inverseRootCorrection: Float32Array.of(1 / Math.sqrt(1 - beta2 ** step)),
    };
    for (const [from, to] of blocks(parameter.length)) {
      const block = {
        parameter: parameter.subarray(from, to),
        m: m.subarray(from, to),
        v: v.subarray(from, to),
      };
      await this.#adamW.runInto(
        { ...block, gradient: gradient.subarray(from, to), ...scalars },
        { nextParameter: block.parameter, nextM: block.m, nextV: block.v },
      );
    }
  }

  /** Sum of squares: single precision within a block, double across blocks. */
  async sumSquares(x: Float32Array): Promise<number> {
    let total = 0;
    for (const [from, to] of blocks(x.length)) {
      const { sum } = await this.#sumSquares.run({ x: x.subarray(from, to) });
      total += asFloats(sum)[0] ?? 0;
    }
    return total;
  }

  /** target += addend */
  async addTo(target: Float32Array, addend: Float32Array): Promise<void> {
    for (const [from, to] of blocks(target.length)) {
      const block = target.subarray(from, to);
      await this.#add.runInto({ a: block, b: addend.subarray(from, to) }, { sum: block });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of [this.#adamW, this.#sumSquares, this.#add]) await session[Symbol.asyncDispose]();
  }
}

function* blocks(size: number): Generator<[from: number, to: number]> {
  for (let from = 0; from < size; from += blockSize) yield [from, Math.min(size, from + blockSize)];
}

function asFloats(data: TensorData | undefined): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new TypeError("The optimizer's graph returned no float32 array");
}

/**
 * g' = gradientScale g
 * m' = beta1 m + (1 - beta1) g'
 * v' = beta2 v + (1 - beta2) g'^2
 * p' = keep p - stepSize m' / (sqrt(v') inverseRootCorrection + epsilon)     with decoupled decay (arXiv 1711.05101)
 */
function adamWGraph({ beta1, beta2, epsilon }: AdamWSettings): Graph {
  const g = new Graph();
  const flat = (name: string) => g.input(name, "float32", ["n"]);
  const number = (name: string) => g.input(name, "float32", [1]);
  const [parameter, raw, m, v] = [flat("parameter"), flat("gradient"), flat("m"), flat("v")];
  const [gradientScale, keep, stepSize] = [number("gradientScale"), number("keep"), number("stepSize")];
  const inverseRootCorrection = number("inverseRootCorrection");
  const gradient = g.mul(raw, gradientScale);
  const nextM = g.add(g.scale(m, beta1), g.scale(gradient, 1 - beta1));
  const nextV = g.add(g.scale(v, beta2), g.scale(g.mul(gradient, gradient), 1 - beta2));
  const root = g.mul(g.apply("Sqrt", [nextV], {}), inverseRootCorrection);
  const direction = g.div(nextM, g.add(root, g.scalar(epsilon)));
  g.output("nextParameter", g.sub(g.mul(parameter, keep), g.mul(direction, stepSize)));
  g.output("nextM", nextM);
  g.output("nextV", nextV);
  return g;
}

function sumSquaresGraph(): Graph {
  const g = new Graph();
  const x = g.input("x", "float32", ["n"]);
  g.output("sum", g.apply("ReduceSum", [g.mul(x, x)], { axes: [0], keepDims: true }));
  return g;
}

function addGraph(): Graph {
  const g = new Graph();
  g.output("sum", g.add(g.input("a", "float32", ["n"]), g.input("b", "float32", ["n"])));
  return g;
}
