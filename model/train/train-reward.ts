/** @file The script of one reward model's training on rows that are ready: the head solved, the steps, and what each checkpoint says. */
import path from "node:path";
import { adapterWeightsFile } from "../checkpoint/adapter-config";
import type { Checkpoint } from "../checkpoint/checkpoint";
import type { CheckpointFacts } from "../checkpoint/checkpoint-writer";
import { ensembleFile } from "../checkpoint/ensemble";
import { rewardTensors } from "../checkpoint/expected-tensors";
import { openSafetensors } from "../checkpoint/safetensors-reader";
import type { RankedExample } from "../data/ranked-examples";
import { renderGroup } from "../data/render-group";
import type { FoldsReport, LearningCurve, RewardTrials } from "../eval/reward/trials";
import { scoreHeadName } from "../nn/reward-model";
import { permutation } from "../random/permutation";
import type { chooseLora } from "./choose-lora";
import { drawForMembers } from "./ensemble-heads";
import { randomHead, readStates, solvedHead } from "./initial-head";
import { learningCurve, scoreStates } from "./learning-curve";
import type { RewardConfig } from "./reward-config";
import { type PreparedRow, type RunReportInput, reportOnRun, toScored } from "./reward-run-report";
import { type ExampleScores, type RewardEvaluation, RewardTrainer } from "./reward-trainer";
import {
  type LoopSettings,
  type Objective,
  type Resumable,
  type RunEvent,
  type RunSummary,
  runLoop,
  type StageOptions,
  stepOver,
} from "./run-loop";
import { writeRewardModel } from "./save-reward-model";
import { linkBase, loadWeights } from "./train-language-model";

export type RewardSettings = LoopSettings &
  Pick<
    RewardConfig,
    | "headStart"
    | "ensemble"
    | "probePrompts"
    | "promptsPerBatch"
    | "tokensPerBatch"
    | "dropout"
    | "recompute"
    | "seed"
    | "epochs"
    | "learningCurve"
  > & { lora: ReturnType<typeof chooseLora>; longestTokens: number; headLrFactor: number };

export type RewardInput = Pick<StageOptions<RunEvent>, "onEvent" | "signal" | "onSaved"> & {
  /** Where an interrupted run stands; nowhere: it starts from the base. */
  found: Resumable;
  base: Checkpoint;
  training: readonly PreparedRow[];
  validation: readonly PreparedRow[];
  /** Score 0 on average in the end; empty: the responses held out do, or the first ones trained on. */
  demonstrations: readonly RankedExample[];
  facts: CheckpointFacts;
  /** What goes with each checkpoint; of a run that goes on, what its checkpoint has. null: nothing. */
  trials: { folds: FoldsReport | null } | RewardTrials | null;
  /** Called when the last step is done, with the model that came of it. */
  onTrained?: (trainer: RewardTrainer) => Promise<void>;
};

/** Responses that the mean is taken over where none are held out. */
const referencePrompts = 64;

export async function trainReward(settings: RewardSettings, input: RewardInput): Promise<RunSummary> {
  const { base, facts, signal } = input;
  const { seed, lora, epochs, promptsPerBatch, ensemble: members } = settings;
  const training = drawForMembers(
    input.training.map(({ example }) => example),
    { seed, members },
  );
  const validation = input.validation.map(({ example }) => example);
  const { hiddenSize } = base.config;
  // 1. The order of the data is known before anything is computed.
  const orders = Array.from({ length: epochs }, (_, epoch) => permutation(seed, epoch, training.length));
  const stepsPerEpoch = Math.ceil(training.length / promptsPerBatch);
  const examplesOf = (step: number) => {
    const from = (step % stepsPerEpoch) * promptsPerBatch;
    const order = orders[Math.floor(step / stepsPerEpoch)] ?? [];
    return [...order.slice(from, from + promptsPerBatch)].flatMap((at) => training[at] ?? []);
  };

  // 2. Weights: the base's with a new head, or where an interrupted run of the same configuration stands.
  const { found } = input;
  const resumeFrom = found.resumable?.folder ?? null;
  if (lora !== null) await linkBase(settings.output, base);
  const headName = scoreHeadName(lora);
  await using trainer = await openTrainer(base, settings, resumeFrom);
  const { trained } = trainer;
  const setHead = (values: Float32Array) => trained.get(headName)?.values.set(values);
  let trials = input.trials && { formatVersion: 1 as const, learningCurve: null, ...input.trials };
  if (resumeFrom !== null)
    setHead(readHead(resumeFrom, { isAdapter: lora !== null, members, name: headName }));
  else if (settings.headStart === "random") setHead(randomHead({ seed, hiddenSize, members }));
  else {
    const { heads, curve } = await solveFirst(trainer, { ...input, settings, drawn: training });
    setHead(heads);
    if (trials) trials = { ...trials, learningCurve: curve };
  }

  // 3. The run; each checkpoint says by its bias where 0 lies.
  let latest: { optimizerSteps: number; evaluation: RewardEvaluation } | null = null;
  const evaluate = async () => {
    const evaluation = await trainer.evaluate(validation);
    latest = { optimizerSteps: trainer.optimizer.stepCount, evaluation };
    return { validationLoss: evaluation.validationLoss, pairAccuracy: evaluation.pairAccuracy };
  };
  const heldOutScores = async () =>
    latest?.optimizerSteps === trainer.optimizer.stepCount
      ? latest.evaluation.scored
      : scoresOf(trainer, validation);
  const referenceScores = async (ofHeldOut: ExampleScores[]) => {
    if (input.demonstrations.length > 0) return scoresOf(trainer, input.demonstrations);
    if (validation.length === 0) return scoresOf(trainer, training.slice(0, referencePrompts));
    return ofHeldOut;
  };
  const scoreTexts: RunReportInput["scoreTexts"] = async (prompt, responses) => {
    const group = renderGroup(base, prompt, responses, settings.longestTokens);
    const [scored] = await scoresOf(trainer, [{ ...group, pairs: [], ties: 0, comparisons: 0 }]);
    return group.responses.map(({ length }, at) => ({
      score: scored?.scores[at] ?? Number.NaN,
      tokens: length,
    }));
  };
  const objective: Objective = {
    totalSteps: epochs * stepsPerEpoch,
    epochOf: (step) => Math.floor(step / stepsPerEpoch),
    advance: stepOver(trainer, (step) => trainer.batchesOf(examplesOf(step))),
    learner: trainer,
    evaluate: validation.length === 0 ? null : evaluate,
    writeWeights: async (folder) => {
      const scored = await heldOutScores();
      const reference = await referenceScores(scored);
      const scoreBias = -mean(reference.flatMap(({ scores }) => [...scores]));
      const memberBiases = members === 1 ? null : biasesOf(reference, members);
      const { probePrompts } = settings;
      const { training: trainedOn, validation: heldOut } = input;
      const measured = { training: trainedOn, heldOut, scored, scoreBias, memberBiases };
      // A run that is to stop saves at once; the checkpoint it ends with has its report.
      const isMeasured = validation.length > 0 && !signal?.aborted;
      const report = isMeasured ? await reportOnRun({ ...measured, scoreTexts, probePrompts, seed }) : null;
      await writeRewardModel(folder, {
        base,
        lora,
        trained,
        facts: { ...facts, scoreBias },
        memberBiases,
        report,
        trials: trials?.folds || trials?.learningCurve ? trials : null,
      });
    },
    sampling: null,
  };
  const summary = await runLoop(settings, objective, { ...input, ...found, start: base.folder });
  if (summary.finished) await input.onTrained?.(trainer);
  return summary;
}

/** As the base is, with a head of zeros, or as a checkpoint of the run has the rest of the weights. */
export async function openTrainer(
  base: Checkpoint,
  settings: RewardSettings,
  resumeFrom: string | null,
): Promise<RewardTrainer> {
  const { lora, ensemble: members, seed } = settings;
  const { hiddenSize } = base.config;
  const shapes = new Map(rewardTensors(base.config));
  shapes.delete("score.weight");
  const { trained: weights, frozen } = await loadWeights(base, settings, { resumeFrom, shapes });
  const head = { values: new Float32Array(members * hiddenSize), shape: [members, hiddenSize] };
  return new RewardTrainer({
    ...settings,
    config: base.config,
    trained: new Map([...weights, [scoreHeadName(lora), head]]),
    frozen,
    adamW: settings,
    dropout: { rate: settings.dropout, seed },
    members,
  });
}

export type SolveInput = Pick<RewardInput, "training" | "validation" | "onEvent" | "signal"> & {
  settings: RewardSettings;
  /** `training` with the draws of each member. */
  drawn: readonly RankedExample[];
};

/** A pass over all of the data without a step: it says how far it is, and what it came to. */
export async function solveFirst(
  trainer: RewardTrainer,
  { settings, training, validation, drawn, onEvent, signal }: SolveInput,
): Promise<{ heads: Float32Array; curve: LearningCurve | null }> {
  const startedAt = performance.now();
  const { seed, ensemble: members } = settings;
  const { hiddenSize } = trainer.options.config;
  const note = (text: string) => onEvent({ type: "note", level: "info", text });
  note(`The score head is solved first, on the states of ${training.length} prompts.`);
  const sayNow = every(noteEveryMs);
  const statesOf = async function* (of: readonly RankedExample[]) {
    for await (const { read } of trainer.forward(of, signal)) yield read;
  };
  const examples = await readStates({
    hiddenSize,
    training: drawn,
    hiddenStates: statesOf,
    onProgress: (done) => sayNow(() => note(`States of ${done} of ${training.length} prompts.`)),
  });
  const solved = solvedHead(examples, { seed, members, training: drawn, signal });
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  note(`Solved in ${seconds} s, with a penalty of ${solved.strength}.${describeSolved(solved, members)}`);
  if (!settings.learningCurve || validation.length === 0) return { ...solved, curve: null };
  const heldOut: Float32Array[] = [];
  for await (const read of statesOf(validation.map(({ example }) => example))) heldOut.push(read);
  const scoreHeldOut = (head: Float32Array) =>
    validation.map((row, at) => {
      const scores = scoreStates(heldOut[at] ?? new Float32Array(), head);
      return toScored(row, { scores, memberScores: null }, { scoreBias: 0, memberBiases: null });
    });
  return { ...solved, curve: learningCurve({ training: examples, solved, scoreHeldOut, seed, signal }) };
}

function describeSolved(
  { strength, tried }: Pick<ReturnType<typeof solvedHead>, "strength" | "tried">,
  members: number,
): string {
  const best = tried.find((each) => each.strength === strength);
  const figures = best
    ? ` It orders ${(100 * best.accuracy).toFixed(1)} % of the pairs of prompts held out in turn as people did (loss ${best.loss.toFixed(3)}).`
    : "";
  return `${figures}${members > 1 ? ` Each of ${members} members is solved on its own draw.` : ""}`;
}

/** Lets something be done once in so many milliseconds, and not at once. */
export function every(ms: number): (act: () => void) => void {
  let lastAt = performance.now();
  return (act) => {
    if (performance.now() - lastAt < ms) return;
    lastAt = performance.now();
    act();
  };
}

export const noteEveryMs = 30_000;

export async function scoresOf(
  trainer: RewardTrainer,
  examples: readonly RankedExample[],
  signal?: AbortSignal,
): Promise<ExampleScores[]> {
  const all: ExampleScores[] = [];
  for await (const { scores, memberScores } of trainer.forward(examples, signal))
    all.push({ scores, memberScores });
  return all;
}

function mean(scores: readonly number[]): number {
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** (members) each puts 0 where the mean of all has it. */
function biasesOf(reference: readonly ExampleScores[], members: number): Float32Array {
  return Float32Array.from({ length: members }, (_, member) =>
    mean(
      reference.flatMap(({ memberScores }) =>
        [...(memberScores ?? [])].filter((_score, at) => at % members === member),
      ),
    ),
  ).map((score) => -score);
}

type StoredHead = { isAdapter: boolean; members: number; name: string };

function readHead(folder: string, { isAdapter, members, name }: StoredHead): Float32Array {
  const weightsFile = isAdapter ? adapterWeightsFile : "model.safetensors";
  using tensors = openSafetensors([path.join(folder, members === 1 ? weightsFile : ensembleFile)]);
  return tensors.read(members === 1 ? name : "score.weight");
}
