/**
 * @file Scores of responses by a reward model, in single precision, the prompt computed once for all responses to it.
 *
 *   await using scorer = await Scorer.open(folder, { threads: 2 });
 *   const [first, second] = await scorer.score(messages, ["…", "…"]);   // { score, tokens, cutTokens }
 *   await scorer.scoreTokens([{ prompt: ids, responses: [ids, ids] }]);  // [[{ score }, { score }]]
 */
import { createHash } from "node:crypto";
import { type Checkpoint, type OpenOptions, openCheckpoint } from "../checkpoint/checkpoint";
import { expectSameTokenizer, readRewardWeights } from "../checkpoint/reward-weights";
import { renderGroup } from "../data/render-group";
import { cutIntoBatches, layOutGroups, type ResponseGroup } from "../data/response-groups";
import { Graph } from "../graph/graph";
import { blockCount } from "../nn/grouped-transformer";
import { buildRewardModel, rewardFeeds, scoreRows } from "../nn/reward-model";
import { TrainedWeights } from "../nn/trained-weights";
import type { ConversationMessage } from "../tokenizer/render-conversation";
import { GraphSession } from "./graph-session";

export type TokenScore = {
  /** With `scoreBias`: 0 is what the demonstrations, or the reference responses, score on average. */
  score: number;
  /** The score as it would be read at each token of the response, the last of which is `score`; only if asked for. */
  tokenValues?: Float32Array;
};

export type ResponseScore = TokenScore & {
  /** Of the response, its end token included. */
  tokens: number;
  /** What each of `tokenValues` was read at. */
  tokenTexts?: string[];
  /** Tokens cut off its end, for prompt and response are longer than the model's context. */
  cutTokens: number;
};

export type ScoreOptions = { tokenValues?: boolean; signal?: AbortSignal | undefined };

export type ScorerOptions = OpenOptions & {
  /** That one run of the model may use. */
  threads: number;
  /** Whose tokens it is to score (`scoreTokens`): it is refused where its tokenizer is another one. */
  policy?: Pick<Checkpoint, "manifest"> | undefined;
  /** Tokens of prompt and response together; left out: the model's context. */
  longest?: number | undefined;
  /** Arrays of a base that is in memory already; a reward model over another one reads its own. */
  shared?: SharedBase | null | undefined;
};

/** Of a lineage's base, by the checkpoint's id. */
export type SharedBase = { id: string; weights: ReadonlyMap<string, Float32Array> };

/** Tokens computed at once; a prompt with more, over all of its responses, is computed by itself. */
const batchTokens = 2048;

/** Holds the model in memory, four bytes a parameter. One call at a time: a call computes on this thread. */
export class Scorer implements AsyncDisposable {
  /** Closed but for what stays usable: see `Checkpoint`. */
  readonly checkpoint: Checkpoint;
  readonly scoreBias: number;
  readonly #session: GraphSession;
  readonly #weights: Readonly<Record<string, Float32Array>>;
  readonly #longest: number;

  private constructor(
    checkpoint: Checkpoint,
    session: GraphSession,
    weights: Readonly<Record<string, Float32Array>>,
    longest: number,
  ) {
    this.checkpoint = checkpoint;
    this.scoreBias = checkpoint.manifest.scoreBias ?? 0;
    this.#session = session;
    this.#weights = weights;
    this.#longest = longest;
  }

  /** @throws NotARewardModelError for any other checkpoint, OtherTokenizerError, and what `openCheckpoint` throws */
  static async open(
    folder: string,
    { threads, longest, policy, shared = null, ...options }: ScorerOptions,
  ): Promise<Scorer> {
    using checkpoint = await openCheckpoint(folder, options);
    if (policy) expectSameTokenizer(checkpoint.manifest, policy.manifest);
    const isShared = shared !== null && shared.id === checkpoint.lineageBase.id;
    const { lora, weights } = readRewardWeights(checkpoint, isShared ? shared.weights : null);
    const g = new Graph();
    const trained = new TrainedWeights(lora);
    const { scores, hidden } = buildRewardModel(g, checkpoint.config, trained);
    g.output("scores", scores);
    g.output("values", scoreRows(g, checkpoint.config, trained, hidden));
    const session = await GraphSession.create(g, { threads });
    const { contextLength } = checkpoint.config;
    const limit = Math.min(longest ?? contextLength, contextLength);
    return new Scorer(checkpoint, session, Object.fromEntries(weights), limit);
  }

  /**
   * @param prompt the conversation up to what is answered; rendered token by token as chat does
   * @returns in the order of the responses
   * @throws UnfitTemplateError, PromptTooLongError, ChatTemplateError
   */
  async score(
    prompt: readonly ConversationMessage[],
    responses: readonly string[],
    options: ScoreOptions = {},
  ): Promise<ResponseScore[]> {
    if (responses.length === 0) return [];
    const { tokenizer } = this.checkpoint;
    const group = renderGroup(this.checkpoint, prompt, responses, this.#longest);
    const [scores = []] = await this.scoreTokens([group], options);
    return scores.map((each, i) => {
      const tokens = group.responses[i] ?? [];
      const tokenTexts = tokens.map((token) => tokenizer.decode([token], { special: true }));
      return {
        ...each,
        tokens: tokens.length,
        ...(options.tokenValues && { tokenTexts }),
        cutTokens: group.cutTokens[i] ?? 0,
      };
    });
  }

  /** Of tokens as they are, for what samples itself: a response without an end token is read at its last token. */
  async scoreTokens(
    groups: readonly ResponseGroup[],
    { tokenValues = false, signal }: ScoreOptions = {},
  ): Promise<TokenScore[][]> {
    const results: TokenScore[][] = [];
    for (const batch of cutIntoBatches(groups, batchTokens)) {
      signal?.throwIfAborted();
      results.push(...(await this.#scoreBatch(batch, tokenValues)));
    }
    return results;
  }

  async #scoreBatch(groups: readonly ResponseGroup[], wantsValues: boolean): Promise<TokenScore[][]> {
    const feeds = { ...rewardFeeds(layOutGroups(groups, blockCount)), ...this.#weights };
    const outputs = await this.#session.run(feeds, wantsValues ? ["scores", "values"] : ["scores"]);
    const raw = outputs.scores as Float32Array;
    const values = outputs.values as Float32Array | undefined;
    let response = 0;
    let token = 0;
    return groups.map(({ prompt, responses }) => {
      token += prompt.length;
      return responses.map(({ length }) => {
        const from = token;
        token += length;
        const score = (raw[response++] ?? Number.NaN) + this.scoreBias;
        const tokenValues = values?.slice(from, token).map((value) => value + this.scoreBias);
        return { score, ...(tokenValues && { tokenValues }) };
      });
    });
  }

  /** Of all of its weights as they are in memory. */
  get sha256(): string {
    const hash = createHash("sha256");
    for (const [name, values] of Object.entries(this.#weights)) hash.update(name).update(values);
    return hash.digest("hex");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}
