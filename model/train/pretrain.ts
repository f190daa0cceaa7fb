/** @file Pretraining from scratch: text in, a base model out that predicts its next token. */

import { availableParallelism } from "node:os";
import path from "node:path";
import { openCheckpoint } from "../checkpoint/checkpoint";
import type { Example } from "../data/packing";
import { documentExamples, readDocuments } from "../data/read-documents";
import { heldOutPlaces } from "./data-order";
import { openOrCreateModel } from "./new-model";
import type { PretrainConfig } from "./pretrain-config";
import { type RunEvent, type RunSummary, trainLanguageModel } from "./train-language-model";
import { type DataEvent, refuseIf, UnfitDataError } from "./unfit-data";

export type PretrainSummary = RunSummary & {
  stage: "pretrain";
  training: number;
  validation: number;
  leftOut: number;
  /** Of the held-out documents, at the end; null where nothing is held out. */
  bitsPerByte: number | null;
};

export async function runPretrain(
  config: PretrainConfig,
  { onEvent, signal }: { onEvent: (event: RunEvent | DataEvent) => void; signal?: AbortSignal },
): Promise<PretrainSummary> {
  // 1. Documents; what is unfit is named by file and line.
  const { documents, problems, sha256 } = await readDocuments(config.data);
  refuseIf(config.onBadLine === "refuse", problems);
  if (documents.length === 0) throw new UnfitDataError("There is no text to train on.");

  // 2. The tokenizer of another model, and new weights; made once for the run's folder.
  using tokenizerFrom = await openCheckpoint(config.tokenizer);
  const { architecture, initializerRange, seed } = config;
  const threads = config.threads ?? Math.min(8, availableParallelism());
  const facts = {
    name: config.name,
    stage: "pretrain",
    parent: null,
    run: null,
    datasetSha256: sha256,
    sourceRevision: null,
    threadCount: threads,
  } as const;
  const newModel = { architecture, initializerRange, seed, facts };
  using base = await openOrCreateModel(path.join(config.output, "start"), tokenizerFrom, newModel);

  // 3. Whole documents are held out, then all are cut into pieces of a row at most.
  const rowLength = Math.min(config.rowLength ?? 512, base.config.contextLength);
  const heldOut = heldOutPlaces(seed, documents.length, config.validationShare);
  const endOfText = base.tokenizer.tokenId("<|endoftext|>") ?? base.tokenizer.endTokenIds[0];
  const toExamples = (texts: readonly string[]): Example[] =>
    texts.flatMap((text) => {
      const tokens = base.tokenizer.encode(text);
      return documentExamples(endOfText === undefined ? tokens : [...tokens, endOfText], rowLength);
    });
  const heldOutTexts = documents.filter((_, at) => heldOut.has(at));
  const validation = toExamples(heldOutTexts);
  const training = toExamples(documents.filter((_, at) => !heldOut.has(at)));
  onEvent({ type: "data", training: training.length, validation: validation.length, leftOut: problems });

  // 4. The run.
  const settings = { ...config, stage: "pretrain", rowLength, threads, lora: null } as const;
  const summary = await trainLanguageModel(settings, { base, training, validation, onEvent, signal, facts });
  return {
    ...summary,
    stage: "pretrain",
    training: training.length,
    validation: validation.length,
    leftOut: problems.length,
    bitsPerByte:
      summary.validationLoss === null ? null : bitsPerByte(summary.validationLoss, validation, heldOutTexts),
  };
}

/** Comparable between tokenizers: all nats of the held-out text, in bits, over its bytes. */
function bitsPerByte(loss: number, examples: readonly Example[], texts: readonly string[]): number {
  const predicted = examples.reduce((sum, { tokens }) => sum + tokens.length - 1, 0);
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return (loss * predicted) / Math.LN2 / bytes;
}
