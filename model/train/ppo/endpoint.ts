/** @file Scores over HTTP: asked with patience, and never replaced by a number of ours. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ScorePart } from "../ppo-config";
import { PausedError } from "../run-loop";
import type { Rollout } from "./episodes";

/** It did not score. */
export class EndpointError extends PausedError {
  override readonly name = "EndpointError";
}

type EndpointPart = Extract<ScorePart, { type: "endpoint" }>;

export type AskOptions = {
  /** Where in its run: "before iteration 3". */
  place: string;
  signal?: AbortSignal | undefined;
};

const answerSchema = z.object({ scores: z.array(z.number()) });
const itemsPerRequest = 64;
const firstWaitMs = 500;

/** @throws EndpointError after its retries */
export async function askEndpoint(
  part: EndpointPart,
  rollouts: readonly Pick<Rollout, "prompt" | "text">[],
  options: AskOptions,
): Promise<number[]> {
  const scores: number[] = [];
  for (let from = 0; from < rollouts.length; from += itemsPerRequest)
    scores.push(...(await askPatiently(part, rollouts.slice(from, from + itemsPerRequest), options)));
  return scores;
}

async function askPatiently(
  part: EndpointPart,
  rollouts: readonly Pick<Rollout, "prompt" | "text">[],
  { place, signal }: AskOptions,
) {
  const items = rollouts.map(({ prompt, text }) => ({ messages: prompt.messages, response: text }));
  let reason = "";
  for (let attempt = 0; attempt <= part.retries; attempt++) {
    if (attempt > 0) await sleep(firstWaitMs * 2 ** (attempt - 1), undefined, { signal });
    const outcome = await askOnce(part, items, signal);
    if ("scores" in outcome) return outcome.scores;
    signal?.throwIfAborted();
    reason = outcome.reason;
  }
  throw new EndpointError(
    `The part ${part.name} gave no scores in ${part.retries + 1} attempts: ${reason}. The run is saved and paused ${place}, and nothing was scored as 0. When ${part.url} answers again, the same command goes on.`,
  );
}

async function askOnce(
  { url, timeoutSeconds }: EndpointPart,
  items: readonly object[],
  signal?: AbortSignal,
): Promise<{ scores: number[] } | { reason: string }> {
  const limit = AbortSignal.timeout(timeoutSeconds * 1000);
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ items }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (!answer.ok) return { reason: `it answered ${answer.status}` };
    const parsed = answerSchema.safeParse(parseJson(await answer.text()));
    if (!parsed.success) return { reason: "its answer is not {scores: [number]}" };
    const { scores } = parsed.data;
    if (scores.length !== items.length)
      return { reason: `it gave ${scores.length} scores for ${items.length} responses` };
    return { scores };
  } catch (error) {
    if (limit.aborted) return { reason: `it did not answer within ${timeoutSeconds} s` };
    return {
      reason: error instanceof Error ? `it could not be reached (${describeCause(error)})` : String(error),
    };
  }
}

/** Undefined: it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const describeCause = ({ message, cause }: Error): string =>
  cause instanceof Error ? cause.message : message;
