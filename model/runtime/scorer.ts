/**
 * @file Scores of responses by a reward model, in single precision, the prompt computed once for all responses to it.
 *
 *   await using scorer = await Scorer.open(folder, { threads: 2 });
 *   const [first, second] = await scorer.score(messages, ["…", "…"]);   // { score, deviation, tokens, cutTokens, … }
 *   await scorer.scoreTokens([{ prompt: ids, responses: [ids, ids] }]);  // [[{ score, deviation, … }, { score, … }]]
 */
import { createHash } from "node:crypto";
import { type Checkpoint, type OpenOptions, openCheckpoint } from "../checkpoint/checkpoint";
import { type Ensemble, readEnsemble } from "../checkpoint/ensemble";
import { expectSameTokenizer, readRewardWeights } from "../checkpoint/reward-weights";
import { renderGroup } from "../data/render-group";
import { cutIntoBatches, layOutGroups, type ResponseGroup } from "../data/response-groups";
import { deviationOf, memberScoresAt } from "../eval/reward/member-spread";
import { Graph } from "../graph/graph";
import { blockCount } from "../nn/grouped-transformer";
import { buildRewardModel, flatScores, memberHeads, rewardFeeds, scoreRows } from "../nn/reward-model";
import { newHeadName, TrainedWeights } from "../nn/trained-weights";
import type { ConversationMessage } from "../tokenizer/render-conversation";
import { GraphSession } from "./graph-session";

export type TokenScore = {
  /** With `scoreBias`: 0 is what the demonstrations, or the reference responses, score on average. */
  score: number;
  /**
   * Of an ensemble: the standard deviation of the score over its members, by which an objective may be cautious
   * (`score - c * deviation`); null where the model has one head.
   */
  deviation: number | null;
  /** Of an ensemble: each member's own score, of which `score` is the mean. What a margin differs by is told by these. */
  memberScores: number[] | null;
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
  readonly #loaded: Loaded;

  private constructor(checkpoint: Checkpoint, loaded: Loaded) {
    this.checkpoint = checkpoint;
    this.scoreBias = checkpoint.manifest.scoreBias ?? 0;
    this.#loaded = loaded;
  }

  /** Heads whose mean is the score; 1 where it is no ensemble. */
  get members(): number {
    return this.#loaded.ensemble?.members ?? 1;
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
    const ensemble = readEnsemble(checkpoint);
    const g = new Graph();
    const trained = new TrainedWeights(lora);
    const { scores, read, hidden } = buildRewardModel(g, checkpoint.config, trained);
    g.output("scores", scores);
    g.output("values", scoreRows(g, checkpoint.config, trained, hidden));
    if (ensemble) {
      const heads = { name: memberHeads, rows: ensemble.members };
      g.output("memberScores", flatScores(g, scoreRows(g, checkpoint.config, trained, read, heads)));
    }
    const session = await GraphSession.create(g, { threads });
    const { contextLength } = checkpoint.config;
    return new Scorer(checkpoint, {
      session,
      ensemble,
      weights: {
        ...Object.fromEntries(weights),
        ...(ensemble && { [newHeadName(memberHeads, lora)]: ensemble.heads }),
      },
      longest: Math.min(longest ?? contextLength, contextLength),
    });
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
    const group = renderGroup(this.checkpoint, prompt, responses, this.#loaded.longest);
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
    const { session, weights, ensemble } = this.#loaded;
    const feeds = { ...rewardFeeds(layOutGroups(groups, blockCount)), ...weights };
    const asked = ["scores", ...(wantsValues ? ["values"] : []), ...(ensemble ? ["memberScores"] : [])];
    const outputs = await session.run(feeds, asked);
    const raw = outputs.scores as Float32Array;
    const values = outputs.values as Float32Array | undefined;
    const ofMembers = outputs.memberScores as Float32Array | undefined;
    let response = 0;
    let token = 0;
    return groups.map(({ prompt, responses }) => {
      token += prompt.length;
      return responses.map(({ length }) => {
        const from = token;
        token += length;
        const score = (raw[response] ?? Number.NaN) + this.scoreBias;
        const memberScores =
          ensemble && ofMembers ? memberScoresAt(ofMembers, response, ensemble.biases) : null;
        const deviation = memberScores && deviationOf(memberScores);
        const tokenValues = values?.slice(from, token).map((value) => value + this.scoreBias);
        response++;
        return { score, deviation, memberScores, ...(tokenValues && { tokenValues }) };
      });
    });
  }

  /** Of all of its weights as they are in memory. */
  get sha256(): string {
    const hash = createHash("sha256");
    for (const [name, values] of Object.entries(this.#loaded.weights)) hash.update(name).update(values);
    return hash.digest("hex");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loaded.session[Symbol.asyncDispose]();
  }
}

type Loaded = {
  session: GraphSession;
  weights: Readonly<Record<string, Float32Array>>;
  ensemble: Ensemble | null;
  /** Tokens of prompt and response together. */
  longest: number;
};
