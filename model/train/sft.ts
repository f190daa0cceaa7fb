/** @file Supervised fine-tuning: demonstrations in, a checkpoint out that answers as they do. */
import { availableParallelism } from "node:os";
import { openCheckpoint } from "../checkpoint/checkpoint";
import { conversationExample } from "../data/conversation-examples";
import type { Example } from "../data/packing";
import { readDemonstrations } from "../data/read-demonstrations";
import { heldOutPlaces } from "./data-order";
import { everyLayer } from "./lora";
import type { SftConfig } from "./sft-config";
import { type RunEvent, type RunSummary, trainLanguageModel } from "./train-language-model";
import { type DataEvent, listProblems, refuseIf, UnfitDataError } from "./unfit-data";

export type SftEvent = RunEvent | DataEvent;
export type SftSummary = RunSummary & { stage: "sft"; training: number; validation: number; leftOut: number };

export async function runSft(
  config: SftConfig,
  { onEvent, signal }: { onEvent: (event: SftEvent) => void; signal?: AbortSignal },
): Promise<SftSummary> {
  // 1. The base: its tokenizer, its chat template, its context.
  using base = await openCheckpoint(config.model);
  const rowLength = Math.min(config.rowLength ?? 512, base.config.contextLength);

  // 2. Demonstrations as tokens; what is unfit is named by file and line.
  const { demonstrations, problems, sha256 } = await readDemonstrations(config.data);
  refuseIf(config.onBadLine === "refuse", problems);
  const outcomes = demonstrations.map((each) => ({
    ...each,
    outcome: conversationExample(base, each.messages, rowLength),
  }));
  const unfit = outcomes.flatMap(({ file, line, outcome }) =>
    "reason" in outcome ? [{ file, line, reason: outcome.reason }] : [],
  );
  refuseIf(config.onLongExample === "refuse", unfit);
  const examples: Example[] = outcomes.flatMap(({ outcome }) => ("reason" in outcome ? [] : [outcome]));

  // 3. A part held out, the same for the same seed.
  const heldOut = heldOutPlaces(config.seed, examples.length, config.validationShare);
  const validation = examples.filter((_, at) => heldOut.has(at));
  const training = examples.filter((_, at) => !heldOut.has(at));
  const leftOut = [...problems, ...unfit];
  if (training.length === 0)
    throw new UnfitDataError(`No demonstration is left to train on.\n${listProblems(leftOut)}`);
  onEvent({ type: "data", training: training.length, validation: validation.length, leftOut });

  // 4. The run.
  const threads = config.threads ?? Math.min(8, availableParallelism());
  const lora = config.lora && { ...config.lora, targets: config.lora.targets ?? everyLayer(base.config) };
  const summary = await trainLanguageModel(
    { ...config, stage: "sft", rowLength, threads, lora },
    {
      base,
      training,
      validation,
      onEvent,
      signal,
      facts: {
        name: config.name,
        stage: "sft",
        parent: base.id,
        run: null,
        datasetSha256: sha256,
        sourceRevision: null,
        threadCount: threads,
      },
    },
  );
  return {
    ...summary,
    stage: "sft",
    training: training.length,
    validation: validation.length,
    leftOut: leftOut.length,
  };
}
