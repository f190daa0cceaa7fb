/** @file PPO: prompts and a reward model in, a policy out that scores higher and stays near the one it started from. */
import { availableParallelism } from "node:os";
import path from "node:path";
import { type Checkpoint, readManifest } from "../checkpoint/checkpoint";
import { expectRewardModel, expectSameTokenizer } from "../checkpoint/reward-weights";
import { heldOutPrompts } from "../data/ranked-examples";
import { readDocuments, textExamples } from "../data/read-documents";
import type { LineProblem } from "../data/read-lines";
import { type PromptRecord, readPrompts } from "../data/read-prompts";
import { readRewardReport } from "../eval/reward/read-report";
import { ChatTemplateError } from "../tokenizer/chat-template";
import { PromptTooLongError, renderConversation } from "../tokenizer/render-conversation";
import { chooseLora } from "./choose-lora";
import { joinedSha256 } from "./joined-sha256";
import { openBase } from "./open-base";
import type { PpoPrompt } from "./ppo/episodes";
import { openModels } from "./ppo/open-models";
import { type PpoEvent, PpoObjective } from "./ppo/ppo-objective";
import { withoutRules } from "./ppo/score-parts";
import { type PpoConfig, refuseContradictions, type ScorePart } from "./ppo-config";
import { ConfigError } from "./run-config";
import { claimRunFolder } from "./run-folder";
import { findResumable, type RunSummary, runLoop, type StageOptions } from "./run-loop";
import { checkpointFacts, writeLanguageModel } from "./save-checkpoint";
import { linkBase } from "./train-language-model";
import { restoreHidden } from "./training-state";
import { listProblems, refuseIf, UnfitDataError } from "./unfit-data";

export type { PpoEvent };
export type PpoSummary = RunSummary & {
  stage: "ppo";
  /** Prompts. */
  training: number;
  validation: number;
  leftOut: number;
};

/** Of one seed; see `runPpoSeeds`. @throws UnfitDataError, DataFileError, RunFolderError, UnfitBaseError, UnknownTargetError, ConfigError, PausedError, OtherTokenizerError, NotARewardModelError */
export async function runPpo(
  config: PpoConfig,
  { onEvent, signal, onSaved, facts, basePlaces }: StageOptions<PpoEvent>,
): Promise<PpoSummary> {
  // 1. The policy to start from, and the reward model whose copy is the value function.
  refuseContradictions(config);
  using base = await openBase(config.model, { basePlaces });
  const lora = chooseLora(config.lora, base);
  const threads = config.threads ?? Math.min(8, availableParallelism());
  const lr = config.lr ?? (lora === null ? 1e-5 : 1e-4);
  const valueLr = config.valueLr ?? lr;
  await refuseOtherJudges(config, base);
  await refuseFailedProbes(config);

  // 2. Prompts as chat renders them, some held out, a user's together; and text, where there is to be any.
  const read = await readPrompts(config.data);
  refuseIf(config.onBadLine === "refuse", read.problems);
  const { fitting, unfit } = toPrompts(base, read.prompts, config.responseTokens);
  refuseIf(config.onLongPrompt === "refuse", unfit);
  const leftOut: LineProblem[] = [...read.problems, ...unfit];
  if (fitting.length === 0)
    throw new UnfitDataError(`No prompt is left to answer.\n${listProblems(leftOut)}`);
  const prompts = fitting.map(({ prompt }) => prompt);
  refuseIf(true, withoutRules(prompts, config.parts));
  const { training, heldOut } = split(fitting, config);
  if (training.length === 0)
    throw new UnfitDataError(
      "No prompt is left to train on. Give more prompts, or set validationShare to 0.",
    );
  const texts = config.ptx && (await readTexts(base, config.ptx));
  onEvent({ type: "data", training: training.length, validation: heldOut.length, leftOut });

  // 3. Whose run it is.
  const ids = await Promise.all(config.rewardModels.map(async (folder) => (await readManifest(folder)).id));
  const parts = await Promise.all(config.parts.map(namedById));
  const { seeds: _, ...own } = config;
  const settings = {
    ...own,
    stage: "ppo",
    parts,
    rewardModelIds: ids,
    ptx: config.ptx && { ...config.ptx, data: [] },
    lora,
    lr,
    valueLr,
    threads,
    epochs: 1,
    schedule: "constant",
    finalShare: 1,
    spikeFactor: null,
    saveEverySteps: config.saveEverySteps ?? 5,
  } as const;
  const ownSha256 = joinedSha256([read.sha256, ...(texts ? [texts.sha256] : [])]);
  const datasetSha256 = facts?.datasetSha256 ?? ownSha256;
  using _folder = await claimRunFolder(config.output, {
    stage: "ppo",
    settings,
    datasetSha256,
    base: base.id,
  });
  const found = await findResumable(settings, { datasetSha256, parent: base.id });
  const resumeFrom = found.resumable?.folder ?? null;
  if (lora !== null) await linkBase(config.output, base);

  // 4. What it computes with.
  await using opened = await openModels(config, { base, lora, threads, resumeFrom, basePlaces });
  const { models } = opened;

  // 5. The run. What it was judged by must be at its end what it was at its start.
  const judgedBy = opened.scoring.sha256;
  const of = {
    name: config.name,
    stage: "ppo",
    run: facts?.run ?? null,
    datasetSha256,
    base,
    lora,
    threads,
  } as const;
  const objective = new PpoObjective({
    config: { ...config, lr, valueLr },
    models,
    training,
    heldOut,
    texts: texts?.rows ?? null,
    resumed: found.resumable?.state.ofStage ?? null,
    writeWeights: (folder, weights) =>
      writeLanguageModel(folder, { base, lora, trained: weights, facts: checkpointFacts(of) }),
    onEvent,
    signal,
  });
  if (resumeFrom !== null) restoreHidden(path.join(resumeFrom, "state"), objective.stage.hidden);
  const summary = await runLoop(settings, objective, {
    ...found,
    start: base.folder,
    onEvent,
    signal,
    onSaved,
  });
  if (opened.scoring.sha256 !== judgedBy) throw new Error("The reward model has changed during the run");
  const validation = heldOut.length;
  return { ...summary, stage: "ppo", training: training.length, validation, leftOut: leftOut.length };
}

/** Told before the run's folder is made. */
async function refuseOtherJudges({ rewardModels, parts }: PpoConfig, policy: Checkpoint): Promise<void> {
  const models = parts.flatMap((part) => (part.type === "rewardModel" ? part.model : []));
  for (const folder of [...rewardModels, ...models]) {
    const { manifest } = await readManifest(folder);
    expectRewardModel({ folder, manifest });
    expectSameTokenizer(manifest, policy.manifest);
  }
}

/** Asked before time is spent: what fails the probes is what the policy would find. */
async function refuseFailedProbes({ rewardModels, acceptFailedProbes }: PpoConfig): Promise<void> {
  if (acceptFailedProbes) return;
  for (const folder of rewardModels) {
    const report = await readRewardReport(folder);
    const failed = report?.probes?.kinds.filter(({ passes }) => !passes).map(({ kind }) => kind) ?? [];
    if (failed.length > 0)
      throw new ConfigError(
        `rewardModels: ${folder} failed ${failed.length} of its probes (${failed.join(", ")}): it prefers such responses to real ones, and PPO would find them. Train another one, or set acceptFailedProbes to true.`,
      );
  }
}

type Fitting = { record: PromptRecord; prompt: PpoPrompt };

function toPrompts(
  base: Checkpoint,
  records: readonly PromptRecord[],
  responseTokens: number,
): { fitting: Fitting[]; unfit: LineProblem[] } {
  const fitting: Fitting[] = [];
  const unfit: LineProblem[] = [];
  for (const record of records) {
    const { file, line, messages, rules } = record;
    const rendered = renderOrExplain(base, messages, responseTokens);
    if ("reason" in rendered) unfit.push({ file, line, reason: rendered.reason });
    else
      fitting.push({ record, prompt: { messages, tokens: rendered.tokens, rules, source: { file, line } } });
  }
  return { fitting, unfit };
}

/** Whole: a prompt that chat would cut is another one. */
function renderOrExplain(
  { tokenizer, chatTemplate, config: { contextLength } }: Checkpoint,
  messages: PromptRecord["messages"],
  reserveTokens: number,
): { tokens: readonly number[] } | { reason: string } {
  const tooLong = {
    reason: `leaves no room for ${reserveTokens} tokens in the model's context of ${contextLength}`,
  };
  try {
    const options = { contextLength, reserveTokens };
    const rendered = renderConversation(tokenizer, chatTemplate, messages, options);
    return rendered.droppedTurns > 0 || rendered.cutCharacters > 0 ? tooLong : rendered;
  } catch (error) {
    if (error instanceof PromptTooLongError) return tooLong;
    if (error instanceof ChatTemplateError) return { reason: `cannot be rendered: ${error.message}` };
    throw error;
  }
}

/** A user's prompts, and equal ones, stay together. */
function split(fitting: readonly Fitting[], { seed, splitSeed, validationShare }: PpoConfig) {
  const records = fitting.map(({ record: { messages, user } }) => ({ prompt: messages, meta: { user } }));
  const heldOut = heldOutPrompts(records, { seed: splitSeed ?? seed, share: validationShare });
  const side = (isHeldOut: boolean) =>
    fitting.filter((_, at) => heldOut.has(at) === isHeldOut).map(({ prompt }) => prompt);
  return { training: side(false), heldOut: side(true) };
}

async function readTexts(
  { tokenizer, config: { contextLength } }: Checkpoint,
  { data, rowLength }: NonNullable<PpoConfig["ptx"]>,
) {
  if (rowLength > contextLength)
    throw new ConfigError(`ptx.rowLength: ${rowLength} is more than the model's context of ${contextLength}`);
  const { documents, problems, sha256 } = await readDocuments(data);
  const rows = textExamples(tokenizer, documents, rowLength).map(({ tokens }) => tokens);
  if (rows.length === 0) throw new UnfitDataError(`ptx.data: there is no text.\n${listProblems(problems)}`);
  return { rows, sha256 };
}

/** Where its files lie does not tell one part from another. */
async function namedById(part: ScorePart): Promise<ScorePart> {
  return part.type === "rewardModel" ? { ...part, model: (await readManifest(part.model)).id } : part;
}
