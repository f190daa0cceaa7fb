/**
 * @file What rounding for serving does to a policy: how far log-probabilities of its own responses move from those of its exact
 * weights, with which it was trained, and how much of what training changed is left in the served form.
 */
import type { LoadOptions } from "../runtime/generator";
import type { Precision } from "../runtime/serving-weights";
import type { ParityReport } from "./eval-report";
import { type Conversation, ServedPolicy } from "./served-policy";

export type ParityInput = { conversation: Conversation; response: readonly number[] };

/** @param inputs conversations with what the served policy said to them, in tokens */
export async function measureParity(
  folder: string,
  inputs: readonly ParityInput[],
  { hasAdapter, ...options }: LoadOptions & { hasAdapter: boolean; signal?: AbortSignal | undefined },
): Promise<ParityReport> {
  const read = (precision: Precision, withoutAdapter: boolean) =>
    readAll(folder, inputs, { ...options, precision, withoutAdapter });
  const served = await read(options.precision, false);
  const exact = await read("fp32", false);
  const gaps = exact.map((value, i) => Math.abs(value - (served[i] ?? 0)));
  return {
    precision: options.precision,
    responses: inputs.length,
    tokens: gaps.length,
    meanGap: gaps.reduce((sum, gap) => sum + gap, 0) / Math.max(1, gaps.length),
    largestGap: gaps.reduce((most, gap) => Math.max(most, gap), 0),
    effectKept: hasAdapter
      ? keptShare({
          exact: changes(exact, await read("fp32", true)),
          served: changes(served, await read(options.precision, true)),
        })
      : null,
  };
}

const changes = (now: readonly number[], before: readonly number[]) =>
  now.map((value, i) => value - (before[i] ?? 0));

/** The slope of the served change on the exact one. Below this much change there is nothing to keep. */
export function keptShare({
  exact,
  served,
}: {
  exact: readonly number[];
  served: readonly number[];
}): number | null {
  const squares = exact.reduce((sum, value) => sum + value ** 2, 0);
  if (squares / Math.max(1, exact.length) < 1e-8) return null;
  return exact.reduce((sum, value, i) => sum + value * (served[i] ?? 0), 0) / squares;
}

/** @returns log-probabilities of all responses' tokens, one after the other */
async function readAll(
  folder: string,
  inputs: readonly ParityInput[],
  { signal, ...options }: LoadOptions & { withoutAdapter: boolean; signal?: AbortSignal | undefined },
): Promise<number[]> {
  signal?.throwIfAborted();
  await using policy = await ServedPolicy.open(folder, { ...options, slots: 1 });
  const all: number[] = [];
  for (const { conversation, response } of inputs) {
    signal?.throwIfAborted();
    const prompt = policy.promptTokens(conversation, response.length);
    const [own] = await policy.tokenLogprobs(prompt, [response]);
    all.push(...(own ?? []));
  }
  return all;
}
