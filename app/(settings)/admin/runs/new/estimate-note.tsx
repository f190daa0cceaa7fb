/** @file What a run will take, before it starts: time, disk, and what the estimate rests on. */
"use client";

import type { Checkpoint, Dataset, RunSummary } from "@/app/_lib/api-types";
import { formatBytes, formatDuration, formatMetric, formatParameters, plural } from "@/app/_lib/format";
import type { PpoEstimate } from "./estimate-ppo";
import { countNewParameters, countParameters, estimateRun } from "./estimate-run";

type EstimateNoteProps = {
  stage: RunSummary["stage"];
  base: Checkpoint | null;
  datasets: Dataset[];
  values: Record<string, unknown>;
  earlierRuns: RunSummary[];
};

/** Vocabularies of imported tokenizers are not told to the page; SmolLM2's. */
const usualVocabulary = 49_152;
/** Of a new adapter, where the settings leave it open. */
const usualRank = 16;

export function EstimateNote({ stage, base, datasets, values, earlierRuns }: EstimateNoteProps) {
  const parameters = countOf(stage, base, values);
  const epochs = typeof values.epochs === "number" ? values.epochs : 1;
  if (datasets.length === 0 || parameters === null) {
    return (
      <p className="mt-8 text-small text-muted">
        With base and data chosen, the expected time and disk stand here.
      </p>
    );
  }
  const lora = values.lora as { rank?: number | null } | null | undefined;
  const loraRank = lora ? (lora.rank ?? usualRank) : null;
  const estimate = estimateRun({
    dataBytes: datasets.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    epochs,
    parameters,
    loraRank,
    earlierSpeeds: earlierRuns
      .filter((run) => run.stage === stage && (stage === "pretrain" || run.base?.id === base?.id))
      .flatMap(({ latest }) => latest?.values.tokensPerSecond ?? []),
  });
  const { restsOn } = estimate;
  return (
    <section aria-label="Expected time and disk" className="mt-8 space-y-1 rounded-md bg-sunken px-4 py-3">
      <p>
        About <strong>{formatDuration(estimate.seconds)}</strong> and up to{" "}
        <strong>{formatBytes(estimate.diskBytes)}</strong> of disk.
      </p>
      <p className="text-small text-muted">
        {formatMetric(Math.round(estimate.tokens))} tokens, at four bytes each, at{" "}
        {formatMetric(estimate.tokensPerSecond)} tokens a second:{" "}
        {restsOn.kind === "earlier"
          ? `the median of ${plural(restsOn.runs, "earlier run", "earlier runs")} ${stage === "pretrain" ? "of this stage" : "from this base"}.`
          : `what two processor cores do with ${formatParameters(Math.round(parameters))} parameters. No run from this base has been timed here yet, so it may be off by several times.`}{" "}
        Ten checkpoints of {formatBytes(estimate.checkpointBytes)} each, with what is needed to go on from
        them; fewer stay when retention clears up.
      </p>
    </section>
  );
}

type PpoEstimateNoteProps = {
  /** Null: not known before base, prompts and reward models are chosen. */
  estimate: PpoEstimate | null;
  parameters: number;
};

export function PpoEstimateNote({ estimate, parameters }: PpoEstimateNoteProps) {
  if (estimate === null) {
    return (
      <p className="mt-8 text-small text-muted">
        With base, prompts and reward model chosen, the expected time stands here.
      </p>
    );
  }
  const { seconds, seeds, secondsPerIteration, restsOn } = estimate;
  return (
    <section aria-label="Expected time" className="mt-8 space-y-1 rounded-md bg-sunken px-4 py-3">
      <p>
        About <strong>{formatDuration(seconds * seeds)}</strong>
        {seeds > 1 && ` for ${seeds} seeds one after the other, ${formatDuration(seconds)} each`},{" "}
        {formatDuration(secondsPerIteration)} an iteration.
      </p>
      <p className="text-small text-muted">
        {restsOn.kind === "size"
          ? `An estimate by what two processor cores do with ${formatParameters(Math.round(parameters))} parameters. No PPO has been timed here yet, so it may be off by several times.`
          : `By what each phase took in the last iterations of ${plural(restsOn.runs, "earlier run", "earlier runs")} of PPO here${
              restsOn.kind === "base"
                ? " from this base"
                : " from other bases, reckoned up to the size of this one"
            }, for these settings.`}
      </p>
    </section>
  );
}

function countOf(
  stage: RunSummary["stage"],
  base: Checkpoint | null,
  { architecture, tokenizer }: Record<string, unknown>,
): number | null {
  if (stage !== "pretrain") return base && countParameters(base);
  const vocabulary = (tokenizer as { vocabularySize?: number } | null)?.vocabularySize ?? usualVocabulary;
  return countNewParameters(Object(architecture) as Record<string, unknown>, vocabulary);
}
