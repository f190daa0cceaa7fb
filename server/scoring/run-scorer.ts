/**
 * @file The scoring side of the protocol: one reward model, one prompt after the other, so that a text scored by hand waits for
 * one prompt of a report and not for all of them. Knows no web, no database.
 */
import os from "node:os";
import { makeRewardReport, type RewardReport } from "@/model/eval/reward/report";
import { scoreProbes, scoreRankings } from "@/model/eval/reward/score-rankings";
import { type EngineError, heartbeatMs } from "../generation/protocol";
import type { FromScorer, LoadedScorer, LoadScorer, OpenScorer, ReportRequest, ToScorer } from "./protocol";

/** Below pages and chat, like a trainer: nobody waits for a score as they wait for an answer. */
const niceness = 10;

/** Serves the parent process until it goes away. Call once, first thing, in a forked process. */
export function runScorer(open: OpenScorer): void {
  os.setPriority(niceness);
  // Ctrl-C reaches the whole process group; the parent decides when this process may go.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit(0));
  const running = new Map<number, AbortController>();
  let loaded: LoadedScorer | null = null;
  let last: Promise<unknown> = Promise.resolve();

  process.on("message", (message: ToScorer) => {
    if (message.type === "load") void load(message);
    else if (message.type === "cancel") running.get(message.requestId)?.abort();
    else {
      running.set(message.requestId, new AbortController());
      void answer(message);
    }
  });
  setInterval(() => send({ type: "heartbeat", rssBytes: process.memoryUsage.rss() }), heartbeatMs);

  /** The model computes one prompt at a time. */
  const exclusively = (scorer: LoadedScorer): LoadedScorer => ({
    score(request) {
      const turn = last.then(() => scorer.score(request));
      last = turn.catch(() => {});
      return turn;
    },
  });

  async function load({ folder, basePlaces, threads }: LoadScorer): Promise<void> {
    try {
      loaded = await open(folder, { basePlaces, threads });
      send({ type: "loaded" });
    } catch (error) {
      send({ type: "loadFailed", error: describe(error) });
    }
  }

  async function answer(message: Extract<ToScorer, { type: "score" | "report" }>): Promise<void> {
    const { requestId } = message;
    const signal = running.get(requestId)?.signal ?? AbortSignal.abort();
    try {
      signal.throwIfAborted();
      if (!loaded) throw new Error("The scoring process was asked to score before it had loaded a model");
      if (message.type === "score") {
        const scores = await exclusively(loaded).score(message.request);
        send({ type: "scored", requestId, scores });
      } else {
        send({
          type: "reported",
          requestId,
          report: await report(exclusively(loaded), message.request, requestId, signal),
        });
      }
    } catch (error) {
      send({ type: "failed", requestId, error: describe(error) });
    } finally {
      running.delete(requestId);
    }
  }
}

async function report(
  scorer: LoadedScorer,
  { records, checkpoint, isHeldOut, leaks, seed }: ReportRequest,
  requestId: number,
  signal: AbortSignal,
): Promise<RewardReport> {
  const score = async (
    prompt: ReportRequest["records"][number]["record"]["prompt"],
    responses: readonly string[],
  ) => {
    // Messages, such as a cancellation, come in between.
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    return scorer.score({ prompt, responses: [...responses], withTokens: false });
  };
  const prompts = await scoreRankings(records, score, {
    signal,
    onProgress: (progress) => send({ type: "progress", requestId, progress }),
  });
  const probed = await scoreProbes(prompts, score, { signal, seed });
  return makeRewardReport({
    prompts,
    probed,
    leaks,
    checkpoint,
    madeAt: new Date().toISOString(),
    isHeldOut,
    seed,
    // It is stored beside data that may be erased.
    withTexts: false,
  });
}

function send(message: FromScorer): void {
  // Without a channel the parent is gone, and `disconnect` ends this process.
  if (process.connected) process.send?.(message);
}

function describe(error: unknown): EngineError {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: String(error) };
}
