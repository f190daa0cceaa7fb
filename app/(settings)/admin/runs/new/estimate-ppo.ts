/**
 * @file How long a run of PPO will take, before it starts: what is computed in each phase by the model's size, set right by
 * what the same phases took in earlier runs on this machine.
 */
import type { PpoTiming } from "@/app/_lib/api-types";
import { median } from "../median";

export type PpoEstimateInput = {
  /** All of the stage's settings. */
  values: Record<string, unknown>;
  baseCheckpointId: string;
  /** Of the policy, and of each reward model: they are of one lineage as a rule. */
  parameters: number;
  /** Those that watch included. */
  rewardModels: number;
  /** Of a prompt on average. */
  promptTokens: number;
  earlier: readonly PpoTiming[];
  /** Of other bases; null: not known any more. */
  parametersOf: (checkpointId: string) => number | null;
};

export type PpoEstimate = {
  /** Of one seed, and how many there are, one after the other. */
  seconds: number;
  seeds: number;
  secondsPerIteration: number;
  /** `base`: runs from the same base; `others`: from bases of other sizes; `size`: nothing was timed here yet. */
  restsOn: { kind: "base" | "others"; runs: number } | { kind: "size" };
};

type Phase = keyof PpoTiming["seconds"];

/** What two cores with AVX-512 compute in fp32; see estimate-run.ts. */
const assumedFlops = 150e9;
/** Forward and backward, the adapter's way: of policy and value. */
const updates = 2 * 2;
/** A token of generation costs as much as this many read at once: it waits for memory. */
const generationFactor = 4;
const flopsPerWeight = 2;
/** Of a phase, whatever the model's size: it is felt with toys only. */
const overheadSeconds = 0.2;
/** English text in JSONL, field names included. */
const bytesPerToken = 4;

export const tokensOfPrompt = (bytes: number): number => bytes / bytesPerToken;

export function estimatePpo(input: PpoEstimateInput): PpoEstimate {
  const { values, baseCheckpointId, earlier, parametersOf } = input;
  const known = earlier.flatMap((timing) => calibrate(timing, parametersOf));
  const ofBase = known.filter(({ base }) => base === baseCheckpointId);
  const used = ofBase.length > 0 ? ofBase : known;
  const responseTokens =
    settingOf(values, "responseTokens", 48) * (median(used.map(({ share }) => share)) ?? 1);
  const byFormula = secondsOf({ ...input, responseTokens });
  const seconds = (phase: Phase) =>
    byFormula[phase] * (median(used.map(({ factors }) => factors[phase])) ?? 1);
  const { generation, scoring, reference } = {
    generation: seconds("generation"),
    scoring: seconds("scoring"),
    reference: seconds("reference"),
  };
  const secondsPerIteration = generation + scoring + reference + seconds("value") + seconds("update");
  const iterations = settingOf(values, "iterations", 40);
  const evaluateEvery = settingOf(values, "evaluateEverySteps", Math.max(1, Math.ceil(iterations / 10)));
  // Held-out prompts are answered, scored, and read by policy and reference.
  const share = settingOf(values, "evaluationPrompts", 32) / settingOf(values, "episodesPerIteration", 64);
  const evaluations = (1 + iterations / evaluateEvery) * share * (generation + scoring + 2 * reference);
  const bestOf = values.bestOfSamples === null ? 0 : generation + scoring;
  const restsOn =
    used.length === 0
      ? { kind: "size" as const }
      : { kind: ofBase.length > 0 ? ("base" as const) : ("others" as const), runs: used.length };
  return {
    seconds: secondsPerIteration * iterations + evaluations + bestOf,
    seeds: settingOf(values, "seeds", 1),
    secondsPerIteration,
    restsOn,
  };
}

type Calibration = {
  base: string | null;
  /** Measured over reckoned. */
  factors: Record<Phase, number>;
  /** How long responses were, of how long they might have been. */
  share: number;
};

function calibrate(timing: PpoTiming, parametersOf: PpoEstimateInput["parametersOf"]): Calibration[] {
  const { baseCheckpointId: base, config: values, rewardModels, responseTokens, promptBytes } = timing;
  const parameters = base === null ? null : parametersOf(base);
  if (parameters === null) return [];
  const promptTokens = tokensOfPrompt(promptBytes);
  const reckoned = secondsOf({ values, parameters, rewardModels, promptTokens, responseTokens });
  const factors = mapPhases(reckoned, (seconds, phase) => timing.seconds[phase] / seconds);
  return [{ base, factors, share: responseTokens / settingOf(values, "responseTokens", 48) }];
}

type Work = Pick<PpoEstimateInput, "values" | "parameters" | "rewardModels" | "promptTokens"> & {
  responseTokens: number;
};

/** Of an iteration, by the model's size. */
function secondsOf({ values, parameters, rewardModels, promptTokens, responseTokens }: Work) {
  const episodes = settingOf(values, "episodesPerIteration", 64);
  const read = episodes * (promptTokens + responseTokens);
  const texts = values.ptx ? 2 * episodes * settingOf(values.ptx, "rowLength", 64) : 0;
  const tokens: Record<Phase, number> = {
    generation: episodes * (responseTokens * generationFactor + promptTokens),
    scoring: read * rewardModels,
    reference: read,
    value: read,
    // The policy's log-probabilities are read once before.
    update: read * (1 + updates * settingOf(values, "innerEpochs", 1)) + texts,
  };
  return mapPhases(tokens, (count) => overheadSeconds + (count * flopsPerWeight * parameters) / assumedFlops);
}

function mapPhases(
  of: Record<Phase, number>,
  change: (value: number, phase: Phase) => number,
): Record<Phase, number> {
  const { generation, scoring, reference, value, update } = of;
  return {
    generation: change(generation, "generation"),
    scoring: change(scoring, "scoring"),
    reference: change(reference, "reference"),
    value: change(value, "value"),
    update: change(update, "update"),
  };
}

function settingOf(group: unknown, name: string, standard: number): number {
  const value = (Object(group) as Record<string, unknown>)[name];
  return typeof value === "number" ? value : standard;
}
