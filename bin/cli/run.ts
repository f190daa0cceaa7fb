/** @file `attune run list|show|start|watch|pause|resume|cancel|clone`: training runs of the server, from a terminal. */
import { createReadStream } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import { z } from "zod";
import { DataFileError } from "@/model/data/read-lines";
import type { DatasetKind } from "@/server/domain/datasets";
import { loadEnv } from "@/server/env";
import { takeNamedModel } from "@/server/models/named-model";
import { stageSettings, type TrainableStage, trainableStages } from "@/server/runs/stage-settings";
import type { Steer } from "@/server/runs/steer-run";
import { control } from "./control";
import { CommandFailure } from "./failure";
import { interruptible } from "./interruptible";
import { readSettings } from "./settings-file";
import { terminalReport } from "./terminal-report";

const value = z.number().nullable();
const runSchema = z.looseObject({
  id: z.string(),
  number: z.number(),
  name: z.string(),
  stage: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  step: z.number(),
  totalSteps: z.number().nullable(),
  worker: z.object({ name: z.string() }).nullable(),
  latest: z.object({ step: z.number(), values: z.record(z.string(), value) }).nullable(),
});
type Run = z.output<typeof runSchema>;
const oneRun = z.object({ run: runSchema });
/** Of several seeds all, the first of which is `run`. */
const createdRuns = oneRun.extend({ seeds: z.array(runSchema).optional() });
const manyRuns = z.object({ runs: z.array(runSchema) });
const detail = z.object({
  run: runSchema.extend({
    base: z.object({ name: z.string() }).nullable(),
    datasets: z.array(z.object({ name: z.string(), role: z.string() })),
    rewardModels: z.array(z.object({ name: z.string(), role: z.string() })),
    checkpoints: z.array(
      z.object({ id: z.string(), step: z.number(), isBest: z.boolean(), deletedAt: z.string().nullable() }),
    ),
    obstacles: z.array(z.object({ text: z.string() })),
  }),
});
const update = z.object({
  run: runSchema,
  cursor: z.number(),
  isCatchingUp: z.boolean(),
  timeline: z.array(z.object({ kind: z.string(), step: z.number().nullable(), payload: z.looseObject({}) })),
  metrics: z.array(z.object({ step: z.number(), values: z.record(z.string(), value) })),
});

type Flags = { json?: boolean };
type StartFlags = Flags & {
  stage: TrainableStage;
  data: string[];
  mix: string[];
  rewardModel: string[];
  judge?: string;
  model?: string;
  name?: string;
  config?: string;
  set: string[];
  priority: number;
  onBadLine: "refuse" | "skip";
  watch?: boolean;
};

export function addRunCommands(program: Command): void {
  const run = program.command("run").description("training runs of the server");
  const collect = (each: string, before: string[]) => [...before, each];
  const onRun = (name: string, description: string) =>
    run
      .command(name)
      .description(description)
      .argument("<run>", "its number", readNumber)
      .option("--json", "one JSON object");
  run.command("list").description("newest first").option("--json", "one JSON object").action(list);
  onRun("show", "one run: where it stands, its checkpoints").action(show);
  run
    .command("start")
    .description("upload data, and put a run into the queue")
    .addOption(new Option("--stage <stage>").choices(trainableStages).makeOptionMandatory())
    .requiredOption("--data <file>", "JSONL to learn from; may be repeated", collect, [])
    .option("--mix <file>", "JSONL of documents to mix in (pretrainMix, ptx); may be repeated", collect, [])
    .option("--reward-model <model>", "what scores a run of PPO, as --model; may be repeated", collect, [])
    .option("--judge <model>", "a reward model that only watches")
    .option("--model <model>", "where it starts: name in data/models, folder, hub id, or id of a checkpoint")
    .option("--name <name>", "what people call it (default: the stage)")
    .option("-c, --config <file>", "settings as JSON")
    .option("--set <key=value>", "one setting, over the file's; may be repeated", collect, [])
    .option("--priority <n>", "higher goes first", Number, 0)
    .addOption(new Option("--on-bad-line <what>").choices(["refuse", "skip"]).default("refuse"))
    .option("--watch", "follow it to its end")
    .option("--json", "one JSON object")
    .action(start);
  onRun("watch", "follow it: metrics, samples, incidents; ends with it").action(watch);
  onRun("pause", "save, and let go").action((number: number, flags: Flags) => steer(number, "pause", flags));
  onRun("resume", "back into the queue, from its last checkpoint")
    .option("--accept-erased", "also where rows of its data were erased")
    .action((number: number, flags: Flags & { acceptErased?: boolean }) => steer(number, "resume", flags));
  onRun("cancel", "end it for good; its checkpoints stay").action((number: number, flags: Flags) =>
    steer(number, "cancel", flags),
  );
  onRun("clone", "a new run with the same settings, data and base")
    .option("--name <name>")
    .option("--set <key=value>", "a setting that differs; may be repeated", collect, [])
    .option("--accept-erased", "also where rows of its data were erased")
    .action(clone);
}

function readNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new CommandFailure(`${text} is no number of a run. \`attune run list\` shows them.`, 2);
}

async function list({ json }: Flags): Promise<void> {
  const answer = await control({ command: "listRuns" }, manyRuns);
  if (json) console.log(JSON.stringify(answer));
  else if (answer.runs.length === 0)
    console.log("There is no run yet. Start one: npx attune run start --help");
  else for (const run of answer.runs) console.log(describe(run));
}

const describeCreated = ({ run, seeds = [run] }: z.output<typeof createdRuns>) =>
  seeds.map(describe).join("\n");

function describe({ number, name, stage, status, step, totalSteps, worker, reason }: Run): string {
  const progress = totalSteps === null ? "" : ` · step ${step}/${totalSteps}`;
  const by = worker ? ` on ${worker.name}` : "";
  return `${number} · ${name} · ${stage} · ${status}${by}${progress}${reason ? `\n    ${reason}` : ""}`;
}

async function show(number: number, { json }: Flags): Promise<void> {
  const { run } = await control({ command: "showRun", run: number }, detail);
  if (json) {
    console.log(JSON.stringify({ run }));
    return;
  }
  console.log(describe(run));
  console.log(`starts from ${run.base?.name ?? "nothing"}`);
  for (const { name, role } of run.datasets) console.log(`learns from ${name} (${role})`);
  for (const { name, role } of run.rewardModels)
    console.log(role === "judge" ? `watched by ${name}` : `scored by ${name}`);
  if (run.latest) console.log(`step ${run.latest.step}: ${describeMetrics(run.latest.values)}`);
  for (const { id, step, isBest, deletedAt } of run.checkpoints) {
    const notes = [isBest && "the best", deletedAt && "deleted"].filter(Boolean).join(", ");
    console.log(`checkpoint ${id.slice(0, 12)} after step ${step}${notes && ` (${notes})`}`);
  }
  for (const { text } of run.obstacles) console.log(`! ${text}`);
}

async function start(flags: StartFlags): Promise<void> {
  const { stage, priority, json } = flags;
  const config = await readSettings(flags.config, flags.set);
  // Said before anything is uploaded: data of a refused run would stay behind.
  if (stage !== "pretrain" && flags.model === undefined) {
    throw new CommandFailure(`A run of ${stage} needs a checkpoint to start from: name it with --model.`, 2);
  }
  const model = flags.model === undefined ? null : await findModel(flags.model);
  const rewardModels = [];
  for (const each of flags.rewardModel)
    rewardModels.push({ model: await findModel(each), role: "score" as const });
  if (flags.judge) rewardModels.push({ model: await findModel(flags.judge), role: "judge" as const });
  const mixes = flags.mix.map((file) => ({ file, role: "pretrainMix" as const }));
  const datasets = [];
  for (const { file, role } of [
    ...flags.data.map((each) => ({ file: each, role: "data" as const })),
    ...mixes,
  ]) {
    const kind = stageSettings[stage].data[role] ?? "documents";
    datasets.push({ datasetId: await upload(file, kind, flags.onBadLine), role });
  }
  const name = flags.name ?? stage.toUpperCase();
  const created = await control(
    { command: "startRun", name, stage, config, model, datasets, rewardModels, priority },
    createdRuns,
  );
  const { run } = created;
  if (flags.watch) await watch(run.number, { ...(json !== undefined && { json }) });
  else if (json) console.log(JSON.stringify(created));
  else console.log(`${describeCreated(created)}\nFollow it: npx attune run watch ${run.number}`);
}

/** A folder of this machine, or the id of a checkpoint as it stands. */
async function findModel(model: string): Promise<string> {
  if (/^[0-9a-f]{6,64}$/.test(model)) return model;
  using stop = interruptible();
  const report = terminalReport("lines");
  return (await takeNamedModel({ name: model, env: loadEnv(), report, signal: stop.signal })).folder;
}

/** Well below what the server takes in one message. */
const partCharacters = 1_000_000;

/** @returns the sealed dataset's id. @throws {DataFileError} when the file cannot be read */
async function upload(file: string, kind: DatasetKind, onBadLine: "refuse" | "skip"): Promise<string> {
  const named = z.object({ datasetId: z.uuid() });
  const name = path.basename(file);
  const { datasetId } = await control({ command: "startDataset", name, kind }, named);
  let part = 0;
  for await (const text of wholeLines(file)) {
    await control({ command: "addLines", datasetId, part: part++, text, onBadLine }, z.looseObject({}));
  }
  await control({ command: "sealDataset", datasetId }, z.looseObject({}));
  return datasetId;
}

async function* wholeLines(file: string): AsyncGenerator<string> {
  let text = "";
  try {
    for await (const chunk of createReadStream(file, { encoding: "utf8" })) {
      text += chunk;
      const end = text.lastIndexOf("\n") + 1;
      if (text.length < partCharacters || end === 0) continue;
      yield text.slice(0, end);
      text = text.slice(end);
    }
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause)) throw cause;
    throw new DataFileError(`${file} cannot be read (${cause.code}).`, { cause });
  }
  if (text !== "") yield text;
}

const over = ["finished", "failed", "cancelled", "paused"];

async function watch(number: number, { json }: Flags): Promise<void> {
  using stop = interruptible();
  let cursor: number | null = null;
  while (!stop.signal.aborted) {
    const next: z.output<typeof update> = await control(
      { command: "followRun", run: number, cursor },
      update,
    );
    cursor = next.cursor;
    if (!json) for (const line of describeUpdate(next)) console.log(line);
    if (next.isCatchingUp) continue;
    const { run } = next;
    if (over.includes(run.status)) {
      console.log(json ? JSON.stringify({ run }) : describe(run));
      if (run.status === "failed") process.exitCode = 1;
      return;
    }
    await sleep(1_000, undefined, { signal: stop.signal }).catch(() => {});
  }
}

function describeUpdate({ timeline, metrics }: z.output<typeof update>): string[] {
  const lines = metrics.map(({ step, values }) => ({
    step,
    line: `step ${step}  ${describeMetrics(values)}`,
  }));
  const rows = timeline.flatMap(({ kind, step, payload }) => {
    const text = describeRow(kind, payload);
    return text === null ? [] : [{ step: step ?? -1, line: text }];
  });
  return [...rows, ...lines].toSorted((a, b) => a.step - b.step).map(({ line }) => line);
}

function describeRow(kind: string, payload: Record<string, unknown>): string | null {
  switch (kind) {
    case "log":
      return String(payload.text);
    case "incident":
      return `! ${payload.text}`;
    case "state":
      return `is ${payload.status}${payload.actor ? `, by ${payload.actor}` : ""}${payload.reason ? `: ${payload.reason}` : ""}`;
    case "sample":
      return "erased" in payload
        ? null
        : `  ${JSON.stringify(payload.prompt)} -> ${JSON.stringify(payload.response)}`;
    case "checkpoint":
      return `saved ${String(payload.checkpointId).slice(0, 12)}${payload.isBest ? " (the best so far)" : ""}`;
    default:
      return null;
  }
}

const shownMetrics = [
  ...["loss", "validationLoss", "lr", "gradientNorm", "tokensPerSecond"],
  ...["score", "heldOutScore", "heldOutWin", "reward", "klK3", "entropy", "responseTokens", "endedShare"],
];

function describeMetrics(values: Record<string, number | null>): string {
  return shownMetrics
    .filter((name) => name in values)
    .map((name) => `${name} ${values[name] === null ? "not finite" : Number(values[name]?.toPrecision(4))}`)
    .join("  ");
}

async function steer(
  number: number,
  what: Steer,
  { json, acceptErased = false }: Flags & { acceptErased?: boolean },
): Promise<void> {
  const { run } = await control({ command: "steerRun", run: number, steer: what, acceptErased }, oneRun);
  console.log(json ? JSON.stringify({ run }) : describe(run));
}

async function clone(
  number: number,
  { name, set, acceptErased = false, json }: Flags & { name?: string; set: string[]; acceptErased?: boolean },
): Promise<void> {
  const config = await readSettings(undefined, set);
  const command = { command: "cloneRun" as const, run: number, name, config, acceptErased };
  const created = await control(command, createdRuns);
  console.log(json ? JSON.stringify(created) : describeCreated(created));
}
