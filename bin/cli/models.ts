/** @file `attune models list|pull|remove|use|merge`: the models this machine holds. */
import path from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { mergeCheckpoint } from "@/model/train/merge-checkpoint";
import { loadEnv } from "@/server/env";
import { ensureModel } from "@/server/models/ensure-model";
import { basePlaces, listModels, modelsFolder, tinyModel } from "@/server/models/model-library";
import { type ModelEnv, megabytes } from "@/server/models/model-report";
import { takeNamedModel } from "@/server/models/named-model";
import { control } from "./control";
import { interruptible } from "./interruptible";
import { terminalReport } from "./terminal-report";

const removal = z.object({ removed: z.object({ key: z.string(), sizeBytes: z.number() }) });
const usage = z.object({ channel: z.string() });

export function addModelsCommands(program: Command): void {
  const models = program.command("models").description("models on this machine");
  models
    .command("list")
    .description("what data/models holds")
    .option("--json", "one JSON object")
    .action(({ json }: { json?: boolean }) => list(loadEnv(), json ?? false));
  models
    .command("pull")
    .description("fetch or import a model; without a name, the one that `npm start` would use")
    .argument("[model]", "hub id, Hugging Face folder or .gguf file")
    .option("--progress", "progress as lines, for scripts")
    .action((name: string | undefined, { progress }: { progress?: boolean }) =>
      pull(loadEnv(), name, progress ? "lines" : "terminal"),
    );
  models
    .command("remove")
    .description("delete a model that no channel serves")
    .argument("<model>", "as `attune models list` names it")
    .action(remove);
  models
    .command("use")
    .description("let the live channel serve a model, without a restart")
    .argument("<model>", "name in data/models, hub id, folder or .gguf file")
    .action(use);
  models
    .command("merge")
    .description("make a complete model of an adapter and its base, for tools without adapters")
    .argument("<model>", "checkpoint that is an adapter")
    .argument("<folder>", "to write; it must not exist yet")
    .action(merge);
}

async function merge(name: string, target: string): Promise<void> {
  using stop = interruptible();
  const env = loadEnv();
  const { folder } = await takeNamedModel({
    name,
    env,
    report: terminalReport("terminal"),
    signal: stop.signal,
  });
  await mergeCheckpoint(folder, path.resolve(target), {
    basePlaces: basePlaces(env.ATTUNE_DATA),
    signal: stop.signal,
  });
  console.log(`${target} is a complete model. Talk to it: npx attune chat --model ${target}`);
}

async function list(env: ModelEnv, json: boolean): Promise<void> {
  const tiny = await tinyModel();
  const models = [...(await listModels(env.ATTUNE_DATA)), ...(tiny ? [tiny] : [])];
  if (json) {
    console.log(JSON.stringify({ models }));
    return;
  }
  if (models.length === 0)
    console.log(`${modelsFolder(env.ATTUNE_DATA)} holds no model. Fetch one: npx attune models pull`);
  for (const model of models) {
    const note = model.isToy ? " · toy, ships with Attune" : "";
    console.log(
      `${model.key} · ${model.name} · ${megabytes(model.sizeBytes)} MB · ${model.checkpointId.slice(0, 12)}${note}`,
    );
  }
}

async function pull(env: ModelEnv, name: string | undefined, form: "terminal" | "lines"): Promise<void> {
  using stop = interruptible();
  const report = terminalReport(form);
  if (!name) {
    await ensureModel(env, report, { askAgain: form === "terminal", signal: stop.signal });
    return;
  }
  const model = await takeNamedModel({ name, env, report, signal: stop.signal });
  report.say(`${model.key} is ready (${model.folder})`);
}

async function remove(key: string): Promise<void> {
  const { removed } = await control({ command: "removeModel", model: key }, removal);
  console.log(`Removed ${removed.key}: ${megabytes(removed.sizeBytes)} MB are free again.`);
}

async function use(name: string): Promise<void> {
  using stop = interruptible();
  const env = loadEnv();
  const model = await takeNamedModel({ name, env, report: terminalReport("terminal"), signal: stop.signal });
  const { channel } = await control({ command: "useModel", folder: model.folder }, usage);
  console.log(`Channel ${channel} serves ${model.name} now.`);
}
