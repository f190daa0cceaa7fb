/** @file Supervised fine-tuning: demonstrations in, a checkpoint out that answers as they do. */
import { availableParallelism } from "node:os";
import type { Checkpoint } from "../checkpoint/checkpoint";
import { conversationExample } from "../data/conversation-examples";
import type { Example } from "../data/packing";
import { type Demonstration, readDemonstrations } from "../data/read-demonstrations";
import { readDocuments, textExamples } from "../data/read-documents";
import type { LineProblem } from "../data/read-lines";
import { type ConversationMessage, renderConversation } from "../tokenizer/render-conversation";
import { chooseLora } from "./choose-lora";
import { heldOutPlaces } from "./data-order";
import { joinedSha256 } from "./joined-sha256";
import { openBase } from "./open-base";
import { ConfigError } from "./run-config";
import { claimRunFolder } from "./run-folder";
import type { RunEvent, RunSummary, StageOptions } from "./run-loop";
import type { SamplePrompt } from "./sample-text";
import { checkpointFacts } from "./save-checkpoint";
import type { SftConfig } from "./sft-config";
import { trainLanguageModel } from "./train-language-model";
import { type DataEvent, listProblems, refuseIf, UnfitDataError } from "./unfit-data";

export type SftEvent = RunEvent | DataEvent;
export type SftSummary = RunSummary & { stage: "sft"; training: number; validation: number; leftOut: number };

/** @throws UnfitDataError, DataFileError, RunFolderError, UnfitBaseError, UnknownTargetError, ConfigError, DivergedError */
export async function runSft(
  config: SftConfig,
  { onEvent, signal, onSaved, facts, basePlaces }: StageOptions<SftEvent>,
): Promise<SftSummary> {
  // 1. The base: its tokenizer, its chat template, its context.
  using base = await openBase(config.model, { basePlaces });
  const { contextLength } = base.config;
  const rowLength = config.rowLength ?? Math.min(512, contextLength);
  if (rowLength > contextLength)
    throw new ConfigError(`rowLength: ${rowLength} is more than the model's context of ${contextLength}`);

  // 2. Demonstrations as tokens; what is unfit is named by file and line.
  const { demonstrations, problems, sha256 } = await readDemonstrations(config.data);
  const mixed = await readMix(config);
  const badLines = [...problems, ...mixed.problems];
  refuseIf(config.onBadLine === "refuse", badLines);
  const { fitting, unfit } = toExamples(base, demonstrations, rowLength);
  refuseIf(config.onLongExample === "refuse", unfit);

  // 3. A part held out, the same for the same seed.
  const heldOut = heldOutPlaces(config.seed, fitting.length, config.validationShare);
  const validation = fitting.filter((_, at) => heldOut.has(at));
  const training = fitting.filter((_, at) => !heldOut.has(at));
  const leftOut = [...badLines, ...unfit];
  if (training.length === 0)
    throw new UnfitDataError(`No demonstration is left to train on.\n${listProblems(leftOut)}`);
  onEvent({ type: "data", training: training.length, validation: validation.length, leftOut });

  // 4. The run.
  const threads = config.threads ?? Math.min(8, availableParallelism());
  const lora = chooseLora(config.lora, base);
  const settings = { ...config, stage: "sft", rowLength, threads, lora } as const;
  const ownSha256 = joinedSha256([sha256, ...(mixed.sha256 === null ? [] : [mixed.sha256])]);
  const datasetSha256 = facts?.datasetSha256 ?? ownSha256;
  using _folder = await claimRunFolder(config.output, {
    stage: "sft",
    settings,
    datasetSha256,
    base: base.id,
  });
  const summary = await trainLanguageModel(settings, {
    base,
    training: training.map(({ example }) => example),
    validation: validation.map(({ example }) => example),
    mix: config.pretrainMix && {
      examples: textExamples(base.tokenizer, mixed.documents, rowLength),
      share: config.pretrainMix.share,
    },
    samplePrompts: samplePrompts(base, config, validation),
    onEvent,
    signal,
    onSaved,
    facts: checkpointFacts({
      name: config.name,
      stage: "sft",
      run: facts?.run ?? null,
      datasetSha256,
      base,
      lora,
      threads,
    }),
  });
  return {
    ...summary,
    stage: "sft",
    training: training.length,
    validation: validation.length,
    leftOut: leftOut.length,
  };
}

type FittingDemonstration = Demonstration & { example: Example };

function toExamples(base: Checkpoint, demonstrations: readonly Demonstration[], rowLength: number) {
  const fitting: FittingDemonstration[] = [];
  const unfit: LineProblem[] = [];
  const limits = { contextLength: base.config.contextLength, rowLength };
  for (const demonstration of demonstrations) {
    const { file, line, messages } = demonstration;
    const outcome = conversationExample(base, messages, limits);
    if ("reason" in outcome) unfit.push({ file, line, reason: outcome.reason });
    else fitting.push({ ...demonstration, example: outcome });
  }
  return { fitting, unfit };
}

async function readMix({ pretrainMix }: SftConfig) {
  if (pretrainMix === null) return { documents: [], problems: [], sha256: null };
  const mixed = await readDocuments(pretrainMix.data);
  if (mixed.documents.length === 0)
    throw new UnfitDataError(`pretrainMix: there is no text to mix in.\n${listProblems(mixed.problems)}`);
  return mixed;
}

/** The configured ones, or the first held-out conversations up to their last answer. */
function samplePrompts(
  { tokenizer, chatTemplate, config }: Checkpoint,
  { samplePrompts: configured, sampleTokens }: SftConfig,
  validation: readonly Demonstration[],
): SamplePrompt[] {
  const conversations: (Pick<SamplePrompt, "source"> & { messages: ConversationMessage[] })[] =
    configured?.map((content) => ({ messages: [{ role: "user", content }], source: null })) ??
    validation.slice(0, 3).map(({ messages, file, line }) => ({
      messages: messages.slice(0, -1),
      source: { file, line },
    }));
  const { contextLength } = config;
  const reserveTokens = Math.min(sampleTokens, Math.floor(contextLength / 2));
  return conversations.map(({ messages, source }) => ({
    source,
    text: messages.at(-1)?.content ?? "",
    tokens: renderConversation(tokenizer, chatTemplate, messages, { contextLength, reserveTokens }).tokens,
  }));
}
