/** @file What an iteration's updates are given: its episodes cut into minibatches, and each minibatch as columns over its tokens. */
import { permutation } from "../../random/permutation";
import type { PpoConfig } from "../ppo-config";
import { type Episode, groupsOf } from "./episodes";
import type { RowTargets } from "./grouped-learner";

export type PolicyColumn = "oldLogprobs" | "advantages" | "weights" | "textWeights";
export type ValueColumn = "oldValues" | "returns" | "weights";

export type Texts = {
  /** Of a minibatch of so many episodes, in the run's order. */
  next(episodes: number): readonly (readonly number[])[];
  coefficient: number;
};

/** The order that the prompts of an iteration are learned from must not be one that they are asked in. */
const firstUpdateEpoch = 2 ** 31;

/** Responses to one prompt stay together, so that it is computed once. */
export function minibatchesOf(
  episodes: readonly Episode[],
  step: number,
  { seed, minibatches, innerEpochs, responsesPerPrompt }: MinibatchSettings,
): Episode[][] {
  const sets = Array.from({ length: episodes.length / responsesPerPrompt }, (_, i) =>
    episodes.slice(i * responsesPerPrompt, (i + 1) * responsesPerPrompt),
  );
  const size = sets.length / minibatches;
  return Array.from({ length: innerEpochs }, (_, epoch) => {
    const order = permutation(seed, firstUpdateEpoch + step * innerEpochs + epoch, sets.length);
    return Array.from({ length: minibatches }, (_, i) =>
      [...order.subarray(Math.round(i * size), Math.round((i + 1) * size))].flatMap((at) => sets[at] ?? []),
    );
  }).flat();
}

type MinibatchSettings = Pick<PpoConfig, "seed" | "minibatches" | "innerEpochs" | "responsesPerPrompt">;

/** Each token counts the same. */
export function policyTargets(episodes: readonly Episode[]): RowTargets<PolicyColumn> {
  const count = tokensOf(episodes);
  return {
    groups: groupsOf(episodes),
    columns: {
      oldLogprobs: columnOf(episodes, ({ logprobs }) => logprobs),
      advantages: columnOf(episodes, ({ advantages }) => advantages),
      weights: new Float32Array(count).fill(1 / count),
      textWeights: new Float32Array(count),
    },
  };
}

export function valueTargets(episodes: readonly Episode[]): RowTargets<ValueColumn> {
  const count = tokensOf(episodes);
  return {
    groups: groupsOf(episodes),
    columns: {
      oldValues: columnOf(episodes, ({ values }) => values),
      returns: columnOf(episodes, ({ returns }) => returns),
      weights: new Float32Array(count).fill(1 / count),
    },
  };
}

/** Text beside so many episodes; of a text's tokens all but the first are predicted. */
export function textTargets(texts: Texts | null, episodes: number): RowTargets<PolicyColumn>[] {
  const rows = texts?.next(episodes) ?? [];
  const count = rows.reduce((sum, { length }) => sum + length - 1, 0);
  if (texts === null || count === 0) return [];
  const zeros = new Float32Array(count);
  return [
    {
      groups: rows.map((tokens) => ({ prompt: [], responses: [tokens] })),
      columns: {
        oldLogprobs: zeros,
        advantages: zeros,
        weights: zeros,
        textWeights: new Float32Array(count).fill(texts.coefficient / count),
      },
    },
  ];
}

const tokensOf = (episodes: readonly Episode[]) =>
  episodes.reduce((sum, { tokens }) => sum + tokens.length, 0);

function columnOf(episodes: readonly Episode[], of: (episode: Episode) => ArrayLike<number>): Float32Array {
  return Float32Array.from(episodes.flatMap((episode) => Array.from(of(episode))));
}
