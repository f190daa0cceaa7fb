/** @file A checkpoint by what a person calls it: a folder, a name in data/models, or an id. */
import { stat } from "node:fs/promises";
import path from "node:path";
import type { Env } from "@/server/env";
import { modelsFolder } from "@/server/models/model-library";
import { checkpointFolder } from "@/server/runs/artifacts";
import { CommandFailure } from "./failure";

/** @param kind of what is looked for, for people. @throws CommandFailure naming every place that was looked in */
export async function findCheckpoint(
  model: string,
  kind: string,
  env: Pick<Env, "ATTUNE_DATA">,
): Promise<string> {
  const places = [
    path.resolve(model),
    path.join(modelsFolder(env.ATTUNE_DATA), model),
    checkpointFolder(env.ATTUNE_DATA, model),
  ];
  for (const place of places) {
    const found = await stat(place).catch(() => null);
    if (found?.isDirectory()) return place;
  }
  throw new CommandFailure(`There is no ${kind} ${model}. Looked in ${places.join(", ")}.`, 2);
}
