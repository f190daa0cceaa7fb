/** @file The messages between the web process and a scoring process: both sides compile against this file. */
import type { PromptTurn } from "@/model/data/rankings/ranked-prompt";
import type { ReportInput, RewardReport } from "@/model/eval/reward/report";
import type { RankedRecord, ScoreProgress } from "@/model/eval/reward/score-rankings";
import type { EngineError } from "../generation/protocol";

export type ScoreRequest = {
  /** Ends with a user's turn. */
  prompt: PromptTurn[];
  responses: string[];
  /** Also what the model would say at each token of the responses. */
  withTokens: boolean;
};

/** A piece of a response with the score that the model would give if the response ended there. */
export type TokenScore = { text: string; score: number };

export type ResponseScore = {
  score: number;
  /** Standard deviation of the score over the members of an ensemble; null where the model has one head. */
  deviation: number | null;
  /** Of an ensemble, each member's own score. */
  memberScores: number[] | null;
  /** Of the response. */
  tokens: number;
  /** Tokens cut off its end, for prompt and response are longer than the model's context. */
  cutTokens: number;
  /** null where they were not asked for. */
  perToken: TokenScore[] | null;
};

export type ReportRequest = Pick<ReportInput, "checkpoint" | "isHeldOut" | "leaks" | "seed"> & {
  records: RankedRecord[];
};

/** Sent once, first: a scoring process holds one reward model until it ends. */
export type LoadScorer = { type: "load"; folder: string; basePlaces: readonly string[]; threads: number };

export type ToScorer =
  | LoadScorer
  | { type: "score"; requestId: number; request: ScoreRequest }
  | { type: "report"; requestId: number; request: ReportRequest }
  | { type: "cancel"; requestId: number };

export type FromScorer =
  | { type: "loaded" }
  | { type: "loadFailed"; error: EngineError }
  | { type: "scored"; requestId: number; scores: ResponseScore[] }
  | { type: "progress"; requestId: number; progress: ScoreProgress }
  | { type: "reported"; requestId: number; report: RewardReport }
  | { type: "failed"; requestId: number; error: EngineError }
  | { type: "heartbeat"; rssBytes: number };

/** What the model library gives the process to score with. */
export type LoadedScorer = {
  score(request: ScoreRequest): Promise<ResponseScore[]>;
};
export type OpenScorer = (
  folder: string,
  options: Omit<LoadScorer, "type" | "folder">,
) => Promise<LoadedScorer>;
