/** @file How long a run of PPO will take, before it starts: passes over tokens by the model's size, or a speed measured here. */

export type PpoEstimateInput = {
  /** All of the stage's settings. */
  values: Record<string, unknown>;
  /** Of the policy, and of each reward model: they are of one lineage as a rule. */
  parameters: number;
  rewardModels: number;
  /** Of a prompt on average. */
  promptTokens: number;
  /** Response tokens a second in earlier runs of PPO from the same base, over all that a round takes. */
  earlierSpeeds: readonly number[];
};

export type PpoEstimate = { seconds: number; secondsPerIteration: number; restsOn: "earlier" | "size" };

/** What two cores with AVX-512 compute in fp32; see estimate-run.ts. */
const assumedFlops = 150e9;
/** Passes over a sequence, in forward passes: log-probabilities of policy and reference, values. */
const readings = 3;
/** Forward and backward, the adapter's way: of policy and value. */
const updates = 2 * 2;
/** A token of generation costs as much as this many read at once: it waits for memory. */
const generationFactor = 4;
const flopsPerWeight = 2;
/** Of an iteration, whatever the model's size: it is felt with toys only. */
const overheadSeconds = 1;

export function estimatePpo(input: PpoEstimateInput): PpoEstimate {
  const { values, parameters, rewardModels, promptTokens, earlierSpeeds } = input;
  const setting = (name: string, standard: number) => numberIn(values, name, standard);
  const episodes = setting("episodesPerIteration", 64);
  const response = setting("responseTokens", 48);
  const iterations = setting("iterations", 40);
  const speed = median(earlierSpeeds);
  const sequence = promptTokens + response;
  const read = episodes * sequence * (readings + rewardModels + updates * setting("innerEpochs", 1));
  const generated = episodes * (response * generationFactor + promptTokens);
  const beside = values.ptx ? episodes * numberIn(values.ptx, "rowLength", 64) * 2 : 0;
  const secondsPerIteration =
    speed === null
      ? overheadSeconds + ((read + generated + beside) * flopsPerWeight * parameters) / assumedFlops
      : (episodes * response) / speed;
  // Held-out prompts answered and read by policy and reference, some ten times.
  const evaluations = iterations / setting("evaluateEverySteps", Math.max(1, Math.ceil(iterations / 10)));
  const share = setting("evaluationPrompts", 32) / episodes / 3;
  return {
    seconds: secondsPerIteration * (iterations + evaluations * share),
    secondsPerIteration,
    restsOn: speed === null ? "size" : "earlier",
  };
}

function numberIn(group: unknown, name: string, standard: number): number {
  const value = (Object(group) as Record<string, unknown>)[name];
  return typeof value === "number" ? value : standard;
}

function median(values: readonly number[]): number | null {
  const sorted = values.filter((value) => value > 0).toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? null;
}
