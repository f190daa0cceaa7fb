/** @file The model that tests of whole servers use: the default one where `npm test` has fetched it, else the tiny one. */
import path from "node:path";
import { listModels } from "@/server/models/model-library";
import { projectRoot } from "@/server/project-root";
import { tinyModelFolder } from "./tiny-model";

/** Checkpoint folder, absolute. */
export async function testModel(): Promise<string> {
  const models = await listModels(path.join(projectRoot, "data"));
  return models.find(({ name }) => name.startsWith("SmolLM2"))?.folder ?? tinyModelFolder;
}
