/** @file `attune pretrain`, `sft`, `reward` and `ppo`: a training stage from a configuration file, without the web app. */
import type { Command } from "commander";
import type { z } from "zod";
import { isDiskFull } from "@/model/checkpoint/errors";
import { NotARewardModelError, OtherTokenizerError } from "@/model/checkpoint/reward-weights";
import { DataFileError } from "@/model/data/read-lines";
import { VocabularyTooLargeError } from "@/model/tokenizer/train-tokenizer";
import { UnknownTargetError } from "@/model/train/lora";
import { UnfitBaseError } from "@/model/train/open-base";
import { type PpoEvent, runPpo } from "@/model/train/ppo";
import { ppoConfigSchema } from "@/model/train/ppo-config";
import { runPretrain } from "@/model/train/pretrain";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { runReward } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { ConfigError, parseConfig, settingsSchema } from "@/model/train/run-config";
import { RunFolderError } from "@/model/train/run-folder";
import { PausedError, type RunEvent, type RunSummary, type StageOptions } from "@/model/train/run-loop";
import { CheckpointNotSavedError } from "@/model/train/save-checkpoint";
import { runSft } from "@/model/train/sft";
import { sftConfigSchema } from "@/model/train/sft-config";
import { UnfitDataError } from "@/model/train/unfit-data";
import { loadEnv } from "@/server/env";
import { basePlaces } from "@/server/models/model-library";
import { CommandFailure } from "./failure";
import { interruptible } from "./interruptible";
import { readJsonFile } from "./settings-file";

type Flags = { config?: string; set: string[]; json?: boolean; schema?: boolean };

/** Facts for people, not faults of the program. */
const refusals = [
  ConfigError,
  DataFileError,
  UnfitDataError,
  UnfitBaseError,
  RunFolderError,
  VocabularyTooLargeError,
  UnknownTargetError,
  CheckpointNotSavedError,
  PausedError,
  NotARewardModelError,
  OtherTokenizerError,
];

/** As a shell has it for a process that Ctrl-C ended: the run is saved, but not finished. */
const stoppedExitCode = 130;

export function addTrainCommands(program: Command): void {
  addStage(program, "pretrain", "train a new model on plain text", pretrainConfigSchema, runPretrain);
  addStage(program, "sft", "fine-tune a checkpoint on demonstrations", sftConfigSchema, runSft);
  addStage(program, "reward", "train a reward model on rankings", rewardConfigSchema, runReward);
  addStage(program, "ppo", "fine-tune a policy against a reward model", ppoConfigSchema, runPpo);
}

type Run<C> = (config: C, options: StageOptions<PpoEvent>) => Promise<RunSummary>;

function addStage<S extends z.ZodObject>(
  program: Command,
  stage: string,
  description: string,
  schema: S,
  run: Run<z.output<S>>,
): void {
  const collect = (value: string, before: string[]) => [...before, value];
  program
    .command(stage)
    .description(description)
    .option("-c, --config <file>", "settings as JSON")
    .option("--set <key=value>", "one setting, over the file's; may be repeated", collect, [])
    .option("--schema", "print the JSON Schema of the settings, and end")
    .option("--json", "the last line is the summary as one object")
    .action((flags: Flags) => train(flags, { stage, schema, run }));
}

async function train<S extends z.ZodObject>(
  flags: Flags,
  { stage, schema, run }: { stage: string; schema: S; run: Run<z.output<S>> },
): Promise<void> {
  if (flags.schema) {
    console.log(JSON.stringify(settingsSchema(schema, stage), null, 2));
    return;
  }
  try {
    const config = parseConfig(schema, await readJsonFile(flags.config), flags.set);
    if (!flags.json) console.log(`Settings, defaults included:\n${JSON.stringify(config, null, 2)}`);
    using stop = interruptible();
    const onEvent = flags.json
      ? () => {}
      : (event: PpoEvent) => {
          const text = describeEvent(event);
          if (text !== null) console.log(text);
        };
    const summary = await run(config, {
      onEvent,
      signal: stop.signal,
      basePlaces: basePlaces(loadEnv().ATTUNE_DATA),
    });
    if (flags.json) console.log(JSON.stringify(summary));
    else console.log(describeEnd(summary, stage === "reward"));
    if (!summary.finished) process.exitCode = stoppedExitCode;
  } catch (error) {
    if (isDiskFull(error)) {
      const remedy = "Free some space; the same command goes on from the last checkpoint, which is whole.";
      throw new CommandFailure(`The disk is full. ${remedy}`, 1, { cause: error });
    }
    if (refusals.some((known) => error instanceof known)) {
      throw new CommandFailure((error as Error).message, error instanceof ConfigError ? 2 : 1, {
        cause: error,
      });
    }
    throw error;
  }
}

function describeEnd(summary: RunSummary, isReward: boolean): string {
  const { finished, checkpoint, steps, totalSteps, validationLossBefore, validationLoss, samples } = summary;
  if (!finished)
    return `Stopped after step ${steps} of ${totalSteps}, and saved. The same command goes on from there.`;
  const losses =
    validationLossBefore === null || validationLoss === null
      ? []
      : [`Validation loss ${validationLossBefore.toFixed(4)} before, ${validationLoss.toFixed(4)} after.`];
  if (summary.pairAccuracy !== undefined)
    losses.push(
      `Pairs ordered as people did: ${percent(summary.pairAccuracyBefore ?? 0)} before, ${percent(summary.pairAccuracy)} after.`,
    );
  const answers = samples.map(({ prompt, before, after }) =>
    ["", `prompt  ${indented(prompt)}`, `before  ${indented(before)}`, `after   ${indented(after)}`].join(
      "\n",
    ),
  );
  const done = isReward ? `Done: ${checkpoint}` : `Done. Talk to it: npx attune chat --model ${checkpoint}`;
  return [...losses, ...answers, "", done].join("\n");
}

const indented = (text: string) => text.trim().replaceAll("\n", "\n        ");

/** Null: nothing a person would read. */
function describeEvent(event: PpoEvent): string | null {
  switch (event.type) {
    case "data": {
      const named = event.leftOut
        .slice(0, 5)
        .map(({ file, line, reason }) => `\n  ${file}:${line} ${reason}`);
      const leftOut = event.leftOut.length > 0 ? `, ${event.leftOut.length} left out:${named.join("")}` : "";
      return `${event.training} examples to train on, ${event.validation} held out${leftOut}`;
    }
    case "note":
      return event.level === "warn" ? `Warning: ${event.text}` : event.text;
    case "resumed":
      return `Going on after step ${event.step}.`;
    case "step": {
      const { step, totalSteps, loss, gradientNorm, tokensPerSecond, secondsLeft } = event;
      const facts = `loss ${loss.toFixed(4)}  gradient ${gradientNorm.toFixed(3)}  ${Math.round(tokensPerSecond)} tokens/s`;
      return `step ${step + 1}/${totalSteps}  ${facts}  ${formatSeconds(secondsLeft)} left`;
    }
    case "skipped":
      return `step ${event.step + 1} is left out: ${event.reason === "spike" ? `its loss ${event.loss.toFixed(4)} is far above those before` : "loss or gradient is not finite"}`;
    case "evaluated":
      return describeEvaluation(event);
    case "sample":
      return `  ${JSON.stringify(event.prompt)} -> ${JSON.stringify(event.response)}`;
    case "iteration":
      return describeIteration(event);
    case "phase":
    case "episodes":
      return null;
    case "saved":
      return `saved ${event.folder}${event.isBest ? " (the best so far)" : ""}`;
  }
}

function describeEvaluation({
  step,
  validationLoss,
  pairAccuracy,
  heldOutScore,
  heldOutKl,
}: Evaluated): string {
  const facts = [
    validationLoss === undefined ? [] : `validation loss ${validationLoss.toFixed(4)}`,
    pairAccuracy === undefined ? [] : `${percent(pairAccuracy)} of pairs right`,
    heldOutScore === undefined ? [] : `held-out score ${heldOutScore.toFixed(3)}`,
    heldOutKl === undefined ? [] : `at ${heldOutKl.toFixed(2)} nats`,
  ].flat();
  return `after ${step} steps: ${facts.join(", ")}`;
}

function describeIteration({ metrics, seconds }: Extract<PpoEvent, { type: "iteration" }>): string {
  const fixed = (name: string, digits = 2) => (metrics[name] ?? Number.NaN).toFixed(digits);
  const phases = Object.entries(seconds).map(([name, value]) => `${name} ${value.toFixed(1)}`);
  return [
    `  score ${fixed("score")} ± ${fixed("scoreDeviation")}  KL ${fixed("klK3")} nats  entropy ${fixed("entropy")}  ${fixed("responseTokens", 1)} tokens, ${percent(metrics.endedShare ?? 0)} ended`,
    `  explained variance ${fixed("explainedVariance")}  clipped ${percent(metrics.clipFrac ?? 0)}  seconds: ${phases.join(", ")}`,
  ].join("\n");
}

type Evaluated = Extract<RunEvent, { type: "evaluated" }>;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
