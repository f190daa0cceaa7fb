/** @file `attune pretrain`, `sft`, `reward` and `ppo`: a training stage from a configuration file, without the web app. */
import type { Command } from "commander";
import type { z } from "zod";
import { isDiskFull } from "@/model/checkpoint/errors";
import { NotARewardModelError, OtherTokenizerError } from "@/model/checkpoint/reward-weights";
import { DataFileError } from "@/model/data/read-lines";
import type { Figure } from "@/model/eval/reward/accuracy";
import type { LearningCurve } from "@/model/eval/reward/trials";
import type { Spread } from "@/model/eval/spread";
import { VocabularyTooLargeError } from "@/model/tokenizer/train-tokenizer";
import { UnknownTargetError } from "@/model/train/lora";
import { UnfitBaseError } from "@/model/train/open-base";
import { type PpoEvent, type PpoSummary, runPpo } from "@/model/train/ppo";
import { ppoConfigSchema } from "@/model/train/ppo-config";
import { type PpoSeedsSummary, runPpoSeeds } from "@/model/train/ppo-seeds";
import { runPretrain } from "@/model/train/pretrain";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { measureLearningCurve, type RewardSummary, runReward } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { ConfigError, parseConfig, settingsSchema } from "@/model/train/run-config";
import { RunFolderError } from "@/model/train/run-folder";
import {
  type Evaluation,
  PausedError,
  type RunEvent,
  type RunSummary,
  type StageOptions,
} from "@/model/train/run-loop";
import { CheckpointNotSavedError } from "@/model/train/save-checkpoint";
import { runSft } from "@/model/train/sft";
import { sftConfigSchema } from "@/model/train/sft-config";
import { UnfitDataError } from "@/model/train/unfit-data";
import { loadEnv } from "@/server/env";
import { basePlaces } from "@/server/models/model-library";
import { CommandFailure } from "./failure";
import { interruptible } from "./interruptible";
import { readJsonFile } from "./settings-file";

type Flags = {
  config?: string;
  set: string[];
  seeds?: string;
  curve?: boolean;
  json?: boolean;
  schema?: boolean;
};

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
  const describeEnd = describeRun;
  addStage(program, "train a new model on plain text", {
    stage: "pretrain",
    schema: pretrainConfigSchema,
    run: runPretrain,
    describeEnd,
  });
  addStage(program, "fine-tune a checkpoint on demonstrations", {
    stage: "sft",
    schema: sftConfigSchema,
    run: runSft,
    describeEnd,
  });
  addStage(program, "train a reward model on rankings", {
    stage: "reward",
    schema: rewardConfigSchema,
    run: runReward,
    describeEnd: describeReward,
    instead: { curve: { run: curveAlone, describeEnd: describeCurve } },
  }).option("--curve", "only the learning curve over the number of prompts, without the run");
  const ppo: Stage<typeof ppoConfigSchema, PpoSummary | PpoSeedsSummary> = {
    stage: "ppo",
    schema: ppoConfigSchema,
    run: (config, options) => (config.seeds === 1 ? runPpo(config, options) : runPpoSeeds(config, options)),
    describeEnd: (summary) => ("seeds" in summary ? describeSeeds(summary) : describeRun(summary)),
  };
  addStage(program, "fine-tune a policy against a reward model", ppo).option(
    "--seeds <k>",
    "as --set seeds=k: so many seeds, one after the other",
  );
}

type Stage<C extends z.ZodObject, R extends { finished: boolean }> = {
  stage: string;
  schema: C;
  run: (config: z.output<C>, options: StageOptions<PpoEvent>) => Promise<R>;
  describeEnd: (summary: R) => string;
  /** What a flag asks for instead of the run. */
  instead?: { curve: Alternative<C> };
};

type Alternative<C extends z.ZodObject> = {
  run: (config: z.output<C>, options: StageOptions<PpoEvent>) => Promise<CurveSummary>;
  describeEnd: (summary: CurveSummary) => string;
};
type CurveSummary = LearningCurve & { finished: true };

async function curveAlone(...asked: Parameters<typeof measureLearningCurve>): Promise<CurveSummary> {
  return { ...(await measureLearningCurve(...asked)), finished: true };
}

function addStage<C extends z.ZodObject, R extends { finished: boolean }>(
  program: Command,
  description: string,
  stage: Stage<C, R>,
): Command {
  const collect = (value: string, before: string[]) => [...before, value];
  return program
    .command(stage.stage)
    .description(description)
    .option("-c, --config <file>", "settings as JSON")
    .option("--set <key=value>", "one setting, over the file's; may be repeated", collect, [])
    .option("--schema", "print the JSON Schema of the settings, and end")
    .option("--json", "the last line is the summary as one object")
    .action((flags: Flags) => train(flags, stage));
}

async function train<C extends z.ZodObject, R extends { finished: boolean }>(
  { seeds, curve, ...flags }: Flags,
  { stage, schema, run, describeEnd, instead }: Stage<C, R>,
): Promise<void> {
  if (curve && instead) return train(flags, { stage, schema, ...instead.curve });
  if (flags.schema) {
    console.log(JSON.stringify(settingsSchema(schema, stage), null, 2));
    return;
  }
  try {
    const overrides = [...flags.set, ...(seeds === undefined ? [] : [`seeds=${seeds}`])];
    const config = parseConfig(schema, await readJsonFile(flags.config), overrides);
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
    else console.log(describeEnd(summary));
    if (!summary.finished) process.exitCode = stop.signal.aborted ? stoppedExitCode : 1;
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

function describeReward(summary: RewardSummary): string {
  const { folds, learningCurve: curve } = summary;
  return [
    ...(curve && summary.finished ? [describeCurve(curve), ""] : []),
    ...(folds && summary.finished
      ? [
          `Over ${folds.each.length} folds by ${folds.by}: ${describeFigure(folds.pooled.accuracy)} of pairs right.`,
        ]
      : []),
    describeRun(summary, true),
  ].join("\n");
}

function describeCurve({ points, longerWins }: LearningCurve): string {
  return [
    "Pairs of held-out prompts ordered as people did, by prompts that a head was solved on:",
    ...points.map(({ prompts, accuracy }) => `${String(prompts).padStart(7)}  ${describeFigure(accuracy)}`),
    ` longer  ${describeFigure(longerWins)}`,
  ].join("\n");
}

function describeFigure({ share, interval }: Figure): string {
  const range = interval ? ` [${percent(interval.low)}, ${percent(interval.high)}]` : "";
  return `${share === null ? "no pair" : percent(share)}${range}`;
}

function describeRun(summary: RunSummary, isReward = false): string {
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

function describeSeeds({ seeds, spread, finished }: PpoSeedsSummary): string {
  const each = seeds.map(({ seed, summary, paused, output }) => {
    if (summary === null) return `seed ${seed}  paused: ${paused}`;
    const { heldOutScore, heldOutKl, heldOutWin, steps, totalSteps, checkpoint } = summary;
    if (!summary.finished)
      return `seed ${seed}  stopped after iteration ${steps} of ${totalSteps}: ${output}`;
    const told = describeHeldOut({ heldOutScore, heldOutKl, heldOutWin });
    return `seed ${seed}  ${[...told, checkpoint].join("  ")}`;
  });
  const range = ({ median, least, greatest }: Spread, digits = 2) =>
    `${median.toFixed(digits)} (${least.toFixed(digits)} to ${greatest.toFixed(digits)})`;
  const { heldOutScoreBefore: before, heldOutScore: score, heldOutKl: kl, heldOutWin: win } = spread;
  const done = seeds.filter(({ summary }) => summary?.finished).length;
  const together = [
    before && score ? `held-out score ${range(before, 3)} before, ${range(score, 3)} after` : [],
    kl ? `${range(kl)} nats from the reference` : [],
    win ? `${percent(win.median)} (${percent(win.least)} to ${percent(win.greatest)}) score above it` : [],
  ].flat();
  return [
    ...each,
    ...(together.length > 0
      ? [
          "",
          `Median of ${done} ${done === 1 ? "seed" : "seeds"} (lowest to highest): ${together.join(", ")}.`,
        ]
      : []),
    ...(finished ? [] : ["", "The same command goes on with those that are not finished."]),
  ].join("\n");
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
    case "bestOfN": {
      const of = event.points.map(({ n, score, kl }) => `${n}: ${score.toFixed(3)} (${kl.toFixed(2)} nats)`);
      return `best of n responses of the reference would score  ${of.join("  ")}`;
    }
    case "phase":
    case "episodes":
      return null;
    case "saved":
      return `saved ${event.folder}${event.isBest ? " (the best so far)" : ""}`;
  }
}

function describeEvaluation({ step, validationLoss, pairAccuracy, ...ofPolicy }: Evaluated): string {
  const facts = [
    validationLoss === undefined ? [] : `validation loss ${validationLoss.toFixed(4)}`,
    pairAccuracy === undefined ? [] : `${percent(pairAccuracy)} of pairs right`,
    describeHeldOut(ofPolicy),
  ].flat();
  return `after ${step} steps: ${facts.join(", ")}`;
}

function describeHeldOut({ heldOutScore, heldOutKl, heldOutWin }: Evaluation): string[] {
  return [
    heldOutScore === undefined ? [] : `held-out score ${heldOutScore.toFixed(3)}`,
    heldOutKl === undefined ? [] : `at ${heldOutKl.toFixed(2)} nats`,
    heldOutWin === undefined ? [] : `${percent(heldOutWin)} above the reference`,
  ].flat();
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
