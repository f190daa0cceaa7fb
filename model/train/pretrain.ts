/** @file Pretraining from scratch: text in, a base model out that predicts its next token. */
import { availableParallelism } from "node:os";
import path from "node:path";
import { tokensIn } from "../data/packing";
import { readDocuments, textExamples } from "../data/read-documents";
import type { Tokenizer } from "../tokenizer/tokenizer";
import { trainTokenizer } from "../tokenizer/train-tokenizer";
import { chatTokenIds, writeTokenizer } from "../tokenizer/write-tokenizer";
import { heldOutPlaces } from "./data-order";
import { openOrCreateModel, type TokenizerSource } from "./new-model";
import { openBase } from "./open-base";
import type { PretrainConfig } from "./pretrain-config";
import { isThere } from "./run-checkpoints";
import { ConfigError } from "./run-config";
import { claimRunFolder } from "./run-folder";
import type { RunEvent, RunSummary, StageOptions } from "./run-loop";
import type { SamplePrompt, SampleSource } from "./sample-text";
import { trainLanguageModel } from "./train-language-model";
import { type DataEvent, refuseIf, UnfitDataError } from "./unfit-data";

export type PretrainSummary = RunSummary & {
  stage: "pretrain";
  training: number;
  validation: number;
  leftOut: number;
  /** Of the held-out documents, by `checkpoint`; null where nothing is held out. */
  bitsPerByte: number | null;
};

/** @throws UnfitDataError, DataFileError, RunFolderError, UnfitBaseError, VocabularyTooLargeError, DivergedError */
export async function runPretrain(
  config: PretrainConfig,
  { onEvent, signal, onSaved, facts: given, basePlaces }: StageOptions<RunEvent | DataEvent>,
): Promise<PretrainSummary> {
  const { architecture, initializerRange, seed } = config;
  const rowLength = config.rowLength ?? Math.min(512, architecture.contextLength);
  if (rowLength > architecture.contextLength) {
    throw new ConfigError(
      `rowLength: ${rowLength} is more than architecture.contextLength, ${architecture.contextLength}`,
    );
  }

  // 1. Documents, some of them held out whole; what is unfit is named by file and line.
  const { documents, places, problems, sha256 } = await readDocuments(config.data);
  refuseIf(config.onBadLine === "refuse", problems);
  const heldOut = heldOutPlaces(seed, documents.length, config.validationShare);
  const heldOutTexts = documents.filter((_, at) => heldOut.has(at));
  const heldOutSources = places.filter((_, at) => heldOut.has(at));
  const trainingTexts = documents.filter((_, at) => !heldOut.has(at));
  if (trainingTexts.length === 0) throw new UnfitDataError("There is no text to train on.");

  // 2. A tokenizer, and new weights; made once for the run's folder.
  const threads = config.threads ?? Math.min(8, availableParallelism());
  const settings = { ...config, stage: "pretrain", rowLength, threads, lora: null } as const;
  const datasetSha256 = given?.datasetSha256 ?? sha256;
  const tokenizerFrom = await findTokenizer(config, basePlaces);
  using _folder = await claimRunFolder(config.output, {
    stage: "pretrain",
    settings,
    datasetSha256,
    base: tokenizerFrom?.id ?? null,
  });
  const source = tokenizerFrom ?? (await tokenizerOfText(config, trainingTexts));
  const facts = {
    name: config.name,
    stage: "pretrain",
    parent: null,
    run: given?.run ?? null,
    datasetSha256,
    sourceRevision: null,
    threadCount: threads,
  } as const;
  const newModel = { architecture, initializerRange, seed, facts };
  using base = await openOrCreateModel(path.join(config.output, "start"), source, newModel);

  // 3. Every document in pieces of a row at most.
  const validation = textExamples(base.tokenizer, heldOutTexts, rowLength);
  const training = textExamples(base.tokenizer, trainingTexts, rowLength);
  onEvent({ type: "data", training: training.length, validation: validation.length, leftOut: problems });

  // 4. The run.
  const samplePrompts = promptsOf(
    base.tokenizer,
    config.samplePrompts?.map((text) => ({ text, source: null })) ?? beginnings(heldOutTexts, heldOutSources),
  );
  const input = { base, training, validation, samplePrompts, onEvent, onSaved, signal, facts };
  const summary = await trainLanguageModel(settings, input);
  const { validationLoss } = summary;
  return {
    ...summary,
    stage: "pretrain",
    training: training.length,
    validation: validation.length,
    leftOut: problems.length,
    bitsPerByte:
      validationLoss === null
        ? null
        : bitsPerByte(validationLoss, tokensIn(validation) - validation.length, heldOutTexts),
  };
}

/** Another model's, checked; null where one is to be made. */
async function findTokenizer(
  { tokenizer }: PretrainConfig,
  basePlaces: readonly string[] | undefined,
): Promise<(TokenizerSource & { id: string }) | null> {
  if (typeof tokenizer !== "string") return null;
  using from = await openBase(tokenizer, { basePlaces });
  const { vocabularySize, bosTokenId, endTokenIds } = from.config;
  return { id: from.id, folder: from.folder, vocabularySize, bosTokenId, eosTokenId: endTokenIds[0] ?? null };
}

/** Trained at the first call, found at the next ones. */
async function tokenizerOfText(
  { tokenizer, output, architecture }: PretrainConfig,
  texts: readonly string[],
): Promise<TokenizerSource> {
  if (typeof tokenizer === "string") throw new TypeError("The tokenizer is another model's");
  const folder = path.join(output, "tokenizer");
  if (!(await isThere(folder))) await writeTokenizer(folder, trainTokenizer(texts, tokenizer), architecture);
  const { bos, eos } = chatTokenIds;
  return { folder, vocabularySize: tokenizer.vocabularySize, bosTokenId: bos, eosTokenId: eos };
}

/** About the first forty characters of three documents, cut between words. */
function beginnings(texts: readonly string[], sources: readonly (SampleSource | null)[]) {
  return texts.slice(0, 3).map((text, i) => ({
    text: /^.{0,40}(?=\s)/su.exec(text.trimStart())?.[0].trimEnd() || text.slice(0, 40),
    source: sources[i] ?? null,
  }));
}

function promptsOf(tokenizer: Tokenizer, prompts: readonly Omit<SamplePrompt, "tokens">[]): SamplePrompt[] {
  return prompts.map((prompt) => ({ ...prompt, tokens: tokenizer.encode(prompt.text) }));
}

/**
 * Comparable between tokenizers: all nats of the held-out text, in bits, over its bytes.
 * @param loss nats per predicted token
 */
function bitsPerByte(loss: number, predicted: number, texts: readonly string[]): number {
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return (loss * predicted) / Math.LN2 / bytes;
}
