/** @file `attune models list|pull|remove`: the models this machine holds. */
import type { Command } from "commander";
import { loadEnv } from "@/server/env";
import { ensureModel } from "@/server/models/ensure-model";
import { listModels, modelsFolder, removeModel, tinyModel } from "@/server/models/model-library";
import { type ModelEnv, megabytes } from "@/server/models/model-report";
import { takeNamedModel } from "@/server/models/named-model";
import { interruptible } from "./interruptible";
import { terminalReport } from "./terminal-report";

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
    .action((key: string) => remove(loadEnv(), key));
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

async function remove(env: ModelEnv, key: string): Promise<void> {
  const { channelsServing } = await import("./channels-serving");
  const model = await removeModel(env.ATTUNE_DATA, key, channelsServing);
  console.log(`Removed ${model.key}: ${megabytes(model.sizeBytes)} MB are free again.`);
}
