/** @file A model over prompts and responses that PPO reads and trains: its weights, its optimizer, and its two graphs. */
import {
  cutIntoBatches,
  layOutGroups,
  predictedTokens,
  predictionRows,
  type ResponseGroup,
} from "../../data/response-groups";
import type { Graph, Value } from "../../graph/graph";
import { blockCount, groupFeeds } from "../../nn/grouped-transformer";
import type { TrainedWeights } from "../../nn/trained-weights";
import { AdamW, type AdamWOptions, type StepOutcome } from "../../optim/adamw";
import { GraphSession } from "../../runtime/graph-session";
import { gradientFrom } from "../take-step";
import type { Trained } from "../training-state";

export type GroupedGraph = {
  graph: Graph;
  /** Names of the inputs that are trained, where it matters. */
  trained?: readonly string[];
  /** The graph's output that holds a parameter's gradient; none where nothing is trained. */
  gradientName?(parameter: string): string;
  /** Scalars of which the largest over all batches counts; of the others the sum does. */
  maxima?: readonly string[];
};

export type GroupedLearnerOptions = {
  /** Gives `rows` (N, 1), one number for each token of each response. */
  buildForward(): GroupedGraph;
  /** Gives `loss` with its parts, and gradients. */
  buildUpdate(): GroupedGraph;
  /** Changed in place by each step. */
  trained: Trained;
  frozen: ReadonlyMap<string, Float32Array>;
  adamW: AdamWOptions;
  /** Computed at once; a group with more is computed by itself. */
  tokensPerBatch: number;
  threads: number;
  /** What an update takes is kept from one to the next: compiling it anew would take longer than it does. */
  isSmall: boolean;
};

/** Groups, and of each of their rows what the update's graph wants to know of it, by the names of its inputs. */
export type RowTargets<Name extends string> = {
  groups: readonly ResponseGroup[];
  /** (N) over all rows, in order. */
  columns: Readonly<Record<Name, Float32Array>>;
};

export type UpdateOutcome = StepOutcome & { losses: Record<string, number> };

export class GroupedLearner<Name extends string> implements AsyncDisposable {
  readonly options: GroupedLearnerOptions;
  readonly optimizer: AdamW;
  #forward: Promise<GraphSession> | null = null;
  #update: Promise<CompiledUpdate> | null = null;

  constructor(options: GroupedLearnerOptions) {
    this.options = options;
    this.optimizer = new AdamW(options.trained, options.adamW);
  }

  get trained(): Trained {
    return this.options.trained;
  }

  /** A frozen input of one number. */
  constant(name: string): number {
    return this.options.frozen.get(name)?.[0] ?? Number.NaN;
  }

  /**
   * What the model says of each token of each response.
   * @param trained other weights than those that are being trained, such as the reference's
   * @returns (L) of each response, in order
   */
  async read(groups: readonly ResponseGroup[], trained: Trained = this.trained): Promise<Float32Array[]> {
    const rows: Float32Array[] = [];
    this.#forward ??= GraphSession.create(this.options.buildForward().graph, this.options);
    const session = await this.#forward;
    for (const batch of cutIntoBatches(groups, this.options.tokensPerBatch)) {
      const outputs = await session.run({ ...feedsOf(batch), ...this.#weights(trained) }, ["rows"]);
      rows.push(...splitRows(outputs.rows as Float32Array, batch));
    }
    return rows;
  }

  /** One step on the sum of the losses of all. @param accepts says by these, before anything changes, whether it is applied */
  async step(
    targets: readonly RowTargets<Name>[],
    { lr, accepts = () => true }: { lr: number; accepts?: (losses: Record<string, number>) => boolean },
  ): Promise<UpdateOutcome> {
    const losses = await this.#accumulate(targets);
    const isNumber = Object.values(losses).every(Number.isFinite);
    const outcome = isNumber && accepts(losses) ? this.optimizer.step(lr) : this.optimizer.discard();
    return { losses, ...outcome };
  }

  /** Of the gradient of the sum of the losses; nothing changes. */
  async gradientNorm(targets: readonly RowTargets<Name>[]): Promise<number> {
    await this.#accumulate(targets);
    return this.optimizer.discard().gradientNorm;
  }

  /** Gives back what the update takes while others compute, where that is much. */
  async rest(): Promise<void> {
    if (!this.options.isSmall) await this.#releaseUpdate();
  }

  async #releaseUpdate(): Promise<void> {
    // One that could not be compiled has told so already.
    const update = await this.#update?.catch(() => null);
    this.#update = null;
    await update?.session[Symbol.asyncDispose]();
  }

  async #accumulate(targets: readonly RowTargets<Name>[]): Promise<Record<string, number>> {
    this.#update ??= this.#compileUpdate();
    const { session, gradientName, maxima } = await this.#update;
    const losses: Record<string, number> = {};
    const add = (name: string, value: number) => {
      const known = losses[name] ?? 0;
      losses[name] = maxima.includes(name) ? Math.max(known, value) : known + value;
    };
    for (const { groups, columns } of targets.flatMap((each) => this.#cut(each))) {
      const outputs = await session.run({ ...feedsOf(groups), ...columns, ...this.#weights(this.trained) });
      for (const [name, value] of Object.entries(outputs))
        if (!name.startsWith(gradientPrefix) && name !== "rows") add(name, Number(value[0]));
      this.optimizer.accumulate(gradientFrom(outputs, gradientName));
    }
    return losses;
  }

  async #compileUpdate(): Promise<CompiledUpdate> {
    const { graph, gradientName, maxima = [] } = this.options.buildUpdate();
    if (gradientName === undefined) throw new Error("The update's graph has no gradients");
    return { session: await GraphSession.create(graph, this.options), gradientName, maxima };
  }

  #cut({ groups, columns }: RowTargets<Name>): RowTargets<Name>[] {
    let from = 0;
    return cutIntoBatches(groups, this.options.tokensPerBatch).map((batch) => {
      const to = from + batch.reduce((sum, group) => sum + predictedTokens(group), 0);
      const ofBatch = Object.entries<Float32Array>(columns).map(([name, column]) => [
        name,
        column.slice(from, to),
      ]);
      from = to;
      return { groups: batch, columns: Object.fromEntries(ofBatch) };
    });
  }

  #weights(trained: Trained): Record<string, Float32Array> {
    const values = [...trained].map(([name, { values }]) => [name, values] as const);
    return Object.fromEntries([...this.options.frozen, ...values]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#releaseUpdate();
    await (await this.#forward?.catch(() => null))?.[Symbol.asyncDispose]();
  }
}

type CompiledUpdate = {
  session: GraphSession;
  gradientName: (parameter: string) => string;
  maxima: readonly string[];
};

function feedsOf(groups: readonly ResponseGroup[]) {
  return { ...groupFeeds(layOutGroups(groups, blockCount)), ...predictionRows(groups) };
}

/** (N, 1) of a batch, by response. */
function splitRows(rows: Float32Array, groups: readonly ResponseGroup[]): Float32Array[] {
  let from = 0;
  const responses = groups.flatMap(({ prompt, responses }) =>
    responses.map((response) => ({ prompt, responses: [response] })),
  );
  return responses.map((response) => {
    const to = from + predictedTokens(response);
    const own = rows.slice(from, to);
    from = to;
    return own;
  });
}

const gradientPrefix = "gradient:";

/** The graph with an output for each trained parameter's gradient. @param pull gives them, in order */
export function gradientOutputs(
  graph: Graph,
  weights: TrainedWeights,
  pull: (parameters: readonly Value[]) => readonly Value[],
): GroupedGraph {
  const gradientName = (parameter: string) => `${gradientPrefix}${parameter}`;
  const trained = [...weights.trained];
  const gradients = pull(trained.map(([, value]) => value));
  for (const [i, [name]] of trained.entries()) {
    const gradient = gradients[i];
    if (gradient) graph.output(gradientName(name), gradient);
  }
  return { graph, gradientName };
}
