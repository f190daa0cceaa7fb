/** @file The messages between the web process and an engine process, and nothing else: both sides compile against this file. */
import type { GenerationEvent, GenerationRequest, GeneratorInfo } from "@/model/runtime/types";

export type EngineOptions = {
  precision: GeneratorInfo["precision"];
  /** Threads of the math library; 0 lets the runtime choose. */
  threads: number;
  /** Requests answered at the same time. */
  slots: number;
  /** Where the quantised serving form is kept. */
  cacheFolder: string;
};

/** Sent once, first. The engine loads one checkpoint and keeps it until it ends. */
export type LoadMessage = {
  type: "load";
  folder: string;
  /** Where the base of an adapter may lie; see `openCheckpoint`. */
  basePlaces: readonly string[];
  options: EngineOptions;
};

export type ToEngine =
  | LoadMessage
  | { type: "generate"; requestId: number; request: GenerationRequest }
  /** The stream of this request ends within one token, with a `finished` event. */
  | { type: "cancel"; requestId: number };

export type FromEngine =
  | { type: "loaded"; info: GeneratorInfo }
  | { type: "loadFailed"; error: EngineError }
  | { type: "event"; requestId: number; event: GenerationEvent }
  /** The request came to its end: after `finished`, or with an error instead. */
  | { type: "ended"; requestId: number; error: EngineError | null }
  | { type: "heartbeat"; rssBytes: number };

/** What is left of an error on its way between processes. */
export type EngineError = { name: string; message: string };

export const heartbeatMs = 1000;
