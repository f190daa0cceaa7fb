/** @file `attune eval`: a checkpoint measured on task suites, in the form in which it is served. */
import path from "node:path";
import type { Command } from "commander";
import { evalConfigSchema } from "@/model/eval/eval-config";
import { type EvalEvent, type EvalSummary, runEval } from "@/model/eval/evaluate";
import { isLowerBetter } from "@/model/eval/suites/score-item";
import type { Figure, SuiteResult } from "@/model/eval/suites/suite-result";
import { parseConfig, settingsSchema } from "@/model/train/run-config";
import { defaultThreads, loadEnv } from "@/server/env";
import { basePlaces } from "@/server/models/model-library";
import { projectRoot } from "@/server/project-root";
import { findCheckpoint } from "./find-checkpoint";
import { interruptible } from "./interruptible";
import { readJsonFile } from "./settings-file";

type Flags = { config?: string; set: string[]; suite: string[]; json?: boolean; schema?: boolean };

export function addEvalCommand(program: Command): void {
  const collect = (value: string, before: string[]) => [...before, value];
  program
    .command("eval")
    .description("measure a checkpoint on task suites, in the form in which it is served")
    .option("-c, --config <file>", "settings as JSON")
    .option("--set <key=value>", "one setting, over the file's; may be repeated", collect, [])
    .option(
      "--suite <folder>",
      "a suite to measure, instead of those that ship; may be repeated",
      collect,
      [],
    )
    .option("--schema", "print the JSON Schema of the settings, and end")
    .option("--json", "the last line is the summary as one object")
    .action(evaluate);
}

async function evaluate(flags: Flags): Promise<void> {
  if (flags.schema) {
    console.log(JSON.stringify(settingsSchema(evalConfigSchema, "eval"), null, 2));
    return;
  }
  const env = loadEnv();
  const given = parseConfig(evalConfigSchema, await readJsonFile(flags.config), flags.set);
  const suites =
    flags.suite.length > 0 ? [...(given.suites ?? []), ...flags.suite.map(toPlace)] : given.suites;
  const config = {
    ...given,
    suites,
    model: await findCheckpoint(given.model, "checkpoint", env),
    precision: given.precision ?? env.ATTUNE_PRECISION,
    threads: given.threads ?? env.ATTUNE_THREADS ?? defaultThreads(),
  };
  using stop = interruptible();
  const summary = await runEval(config, {
    onEvent: flags.json ? () => {} : tell,
    signal: stop.signal,
    basePlaces: basePlaces(env.ATTUNE_DATA),
    cacheFolder: path.join(env.ATTUNE_DATA, "cache", "serving"),
    suitesFolder: path.join(projectRoot, "model", "suites"),
  });
  console.log(flags.json ? JSON.stringify(summary) : describeEnd(summary));
}

/** A bare word names a suite that ships; here a folder is meant. */
const toPlace = (folder: string) => path.resolve(folder);

function tell(event: EvalEvent): void {
  switch (event.type) {
    case "suites": {
      const named = event.suites.map(
        ({ name, items, variants }) => `${name} (${items} items, ${variants} ways)`,
      );
      console.log(`Suites: ${named.join(", ")}`);
      return;
    }
    case "item":
      if (process.stdout.isTTY)
        process.stdout.write(
          `\r${event.done} of ${event.totalItems} items${event.done === event.totalItems ? "\n" : ""}`,
        );
      return;
    case "suite":
      console.log(describeSuite(event.result));
  }
}

const ways = { zeroShot: "zero-shot", fewShot: "few-shot", reasoning: "steps written out" };

function describeSuite({ title, variant, metric, figures, behaviour, items, slices }: SuiteResult): string {
  const show = (figure: Figure) => describeFigure(figure, metric);
  const said = behaviour
    ? [
        `    ${behaviour.responseTokens.toFixed(0)} tokens a response, ${percent(behaviour.endedShare)} ended, ${percent(behaviour.refusedShare)} refused, ${percent(behaviour.repetition)} repeated`,
      ]
    : [];
  const kinds = slices.map(({ slice, items: count, figure }) => `    ${slice} (${count}): ${show(figure)}`);
  return [
    `${title}, ${ways[variant]}: ${figures.map((figure) => `${figure.name} ${show(figure)}`).join(", ")}; ${items.length} items`,
    ...kinds,
    ...said,
  ].join("\n");
}

/** Shares in percent; what is not a share as it is. */
function describeFigure({ value, low, high }: Figure, metric: SuiteResult["metric"]): string {
  const text = isLowerBetter(metric) ? (each: number) => each.toFixed(3) : percent;
  return low === null || high === null ? text(value) : `${text(value)} [${text(low)}, ${text(high)}]`;
}

function describeEnd({ parity, against, report, transcripts }: EvalSummary): string {
  const form = parity
    ? [
        `As served (${parity.precision}) a token's log-probability is ${parity.meanGap.toFixed(4)} nats off on average, ${parity.largestGap.toFixed(3)} at most${parity.effectKept === null ? "" : `; ${percent(parity.effectKept)} of what training changed is left`}.`,
      ]
    : [];
  const differences = against.flatMap(({ name, deltas }) =>
    deltas.map(({ suite, variant, metric, difference: { value, low, high } }) => {
      const [unit, digits, scale] = isLowerBetter(metric)
        ? (["bits", 3, 1] as const)
        : (["points", 1, 100] as const);
      const sign = (each: number) => `${each >= 0 ? "+" : "−"}${Math.abs(scale * each).toFixed(digits)}`;
      const interval = low === null || high === null ? "" : ` [${sign(low)}, ${sign(high)}]`;
      return `Against ${name}, ${suite}, ${ways[variant]}: ${sign(value)}${interval} ${unit}`;
    }),
  );
  return [...form, ...differences, `Report: ${report}`, `What was said: ${transcripts}`].join("\n");
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
