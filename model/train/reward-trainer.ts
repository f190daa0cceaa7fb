/** @file A reward model being trained: its weights, its optimizer, and the sessions that give loss, scores and gradients. */
import type { ModelConfig } from "../checkpoint/model-config";
import type { RankedExample } from "../data/ranked-examples";
import { cutIntoBatches, layOutGroups, tokensOf } from "../data/response-groups";
import { blockCount } from "../nn/grouped-transformer";
import { rewardFeeds, scoreHeadName } from "../nn/reward-model";
import type { LoraShape } from "../nn/trained-weights";
import { AdamW, type AdamWOptions, type TrainedParameter } from "../optim/adamw";
import { type Feed, GraphSession } from "../runtime/graph-session";
import { dropoutFeeds } from "./dropout-feeds";
import { meanScores } from "./ensemble-heads";
import { buildRewardGraph } from "./reward-graph";
import {
  gradientFrom,
  type Learner,
  type TrainingStep,
  type TrainingStepOutcome,
  takeStep,
} from "./take-step";

export type RewardBatch = {
  examples: readonly RankedExample[];
  /** Of the whole step, which may be several batches: the loss is the mean over them. */
  promptsPerStep: number;
  realTokens: number;
};

export type RewardTrainerOptions = {
  config: ModelConfig;
  /** What is trained, the score head included; changed in place by each step. */
  trained: ReadonlyMap<string, TrainedParameter>;
  frozen: ReadonlyMap<string, Float32Array>;
  lora: LoraShape | null;
  adamW: AdamWOptions;
  /** What multiplies the learning rate of the head. */
  headLrFactor: number;
  /** Computed at once; an example with more is computed by itself. */
  tokensPerBatch: number;
  threads: number;
  recompute?: boolean;
  dropout?: { rate: number; seed: number };
  /** Rows of the score head, each a member of the ensemble; default 1. */
  members?: number;
};

/** Of the responses of an example, without bias. */
export type ExampleScores = {
  /** (responses) of an ensemble the mean over its members. */
  scores: Float32Array;
  /** (responses * members), response by response; null where there is one head. */
  memberScores: Float32Array | null;
};

/** Over prompts that were not trained on. */
export type RewardEvaluation = {
  /** Mean of the prompts' losses, in nats. */
  validationLoss: number;
  /** Share of the pairs with a preference that are ordered as people did; equal scores count half. */
  pairAccuracy: number;
  /** Beside the examples. */
  scored: ExampleScores[];
};

export class RewardTrainer implements Learner<RewardBatch>, AsyncDisposable {
  readonly options: RewardTrainerOptions;
  readonly optimizer: AdamW;
  #training: Promise<Compiled> | null = null;
  #evaluation: Promise<Compiled> | null = null;

  constructor(options: RewardTrainerOptions) {
    const lrFactors = new Map([[scoreHeadName(options.lora), options.headLrFactor]]);
    this.options = options;
    this.optimizer = new AdamW(options.trained, { ...options.adamW, lrFactors });
  }

  get #members(): number {
    return this.options.members ?? 1;
  }

  get trained(): ReadonlyMap<string, TrainedParameter> {
    return this.options.trained;
  }

  /** The batches of a step over these examples. */
  batchesOf(examples: readonly RankedExample[]): RewardBatch[] {
    return cutIntoBatches(examples, this.options.tokensPerBatch).map((batch) => ({
      examples: batch,
      promptsPerStep: examples.length,
      realTokens: batch.reduce((sum, example) => sum + tokensOf(example), 0),
    }));
  }

  /** One step on the mean loss over its prompts. */
  async step(batches: readonly RewardBatch[], step: TrainingStep): Promise<TrainingStepOutcome> {
    const { config, dropout } = this.options;
    // One of the two is held at a time: their memory is that of a batch.
    await this.#release("evaluation");
    this.#training ??= this.#compile(true);
    const { session, gradientName } = await this.#training;
    return takeStep(this.optimizer, batches, step, async (batch, at) => {
      const laidOut = layOutGroups(batch.examples, blockCount);
      const shape = { rows: 1, length: laidOut.ids.length };
      const dropped = dropout?.rate
        ? dropoutFeeds(config, shape, { seed: dropout.seed, step: step.step, batch: at })
        : {};
      const outputs = await session.run(
        {
          ...rewardFeeds(laidOut),
          ...pairFeeds(batch.examples, batch.promptsPerStep, this.#members),
          ...dropped,
          ...this.#weights(),
        },
        ["loss", ...[...this.trained.keys()].map(gradientName)],
      );
      return { loss: Number(outputs.loss?.[0]), gradientOf: gradientFrom(outputs, gradientName) };
    });
  }

  /** Nothing changes. */
  async evaluate(examples: readonly RankedExample[], signal?: AbortSignal): Promise<RewardEvaluation> {
    const scored: ExampleScores[] = [];
    for await (const { scores, memberScores } of this.forward(examples, signal))
      scored.push({ scores, memberScores });
    let loss = 0;
    let right = 0;
    let pairs = 0;
    for (const [at, example] of examples.entries()) {
      const of = scored[at]?.scores ?? new Float32Array();
      for (const { chosen, rejected, weight } of example.pairs) {
        const margin = (of[chosen] ?? Number.NaN) - (of[rejected] ?? Number.NaN);
        // log(1 + exp(-margin)), without overflow.
        loss += weight * (Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin))));
        right += margin > 0 ? 1 : margin === 0 ? 0.5 : 0;
        pairs++;
      }
    }
    return { validationLoss: loss / examples.length, pairAccuracy: right / pairs, scored };
  }

  /** Scores without bias (responses) and the states they are read from (responses, hidden), example by example. */
  async *forward(
    examples: readonly RankedExample[],
    signal?: AbortSignal,
  ): AsyncGenerator<ExampleScores & { read: Float32Array }> {
    const { hiddenSize } = this.options.config;
    await this.#release("training");
    this.#evaluation ??= this.#compile(false);
    const { session } = await this.#evaluation;
    for (const batch of cutIntoBatches(examples, this.options.tokensPerBatch)) {
      signal?.throwIfAborted();
      const feeds = {
        ...rewardFeeds(layOutGroups(batch, blockCount)),
        ...pairFeeds([], 1),
        ...this.#weights(),
      };
      const outputs = await session.run(feeds, ["scores", "read"]);
      const [scores, read] = [outputs.scores as Float32Array, outputs.read as Float32Array];
      let from = 0;
      for (const { responses } of batch) {
        const to = from + responses.length;
        const own = scores.slice(from * this.#members, to * this.#members);
        yield {
          scores: this.#members === 1 ? own : meanScores(own, this.#members),
          memberScores: this.#members === 1 ? null : own,
          read: read.slice(from * hiddenSize, to * hiddenSize),
        };
        from = to;
      }
    }
  }

  async #compile(backward: boolean): Promise<Compiled> {
    const { config, lora, threads, recompute = false, dropout } = this.options;
    const more = backward ? { recompute, dropout: dropout?.rate ?? 0 } : {};
    const members = this.#members;
    const { graph, gradientName } = buildRewardGraph(config, { lora, backward, members, ...more });
    return { session: await GraphSession.create(graph, { threads }), gradientName };
  }

  async #release(which: "training" | "evaluation"): Promise<void> {
    const compiled = which === "training" ? this.#training : this.#evaluation;
    if (which === "training") this.#training = null;
    else this.#evaluation = null;
    await (await compiled)?.session[Symbol.asyncDispose]();
  }

  #weights(): Record<string, Float32Array> {
    const trained = [...this.trained].map(([name, { values }]) => [name, values] as const);
    return Object.fromEntries([...this.options.frozen, ...trained]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release("training");
    await this.#release("evaluation");
  }
}

type Compiled = { session: GraphSession; gradientName: (parameter: string) => string };

/**
 * The pairs of several examples laid out one after another, each prompt's by 1 / prompts. Of an ensemble each pair is one of
 * every member, by how often the prompt was drawn for it and 1 / members: the loss is the mean of the members' own.
 */
export function pairFeeds(
  examples: readonly Pick<RankedExample, "pairs" | "responses" | "draws">[],
  promptsPerStep: number,
  members = 1,
): Record<"chosen" | "rejected" | "pairWeights", Feed> {
  const chosen: bigint[] = [];
  const rejected: bigint[] = [];
  const weights: number[] = [];
  let first = 0;
  for (const { pairs, responses, draws } of examples) {
    for (const pair of pairs) {
      for (let member = 0; member < members; member++) {
        chosen.push(BigInt((first + pair.chosen) * members + member));
        rejected.push(BigInt((first + pair.rejected) * members + member));
        weights.push((pair.weight / promptsPerStep) * ((draws?.[member] ?? 1) / members));
      }
    }
    first += responses.length;
  }
  return {
    chosen: BigInt64Array.from(chosen),
    rejected: BigInt64Array.from(rejected),
    pairWeights: Float32Array.from(weights),
  };
}
