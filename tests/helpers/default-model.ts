/** @file The default model that parity and journey tests run on: SmolLM2-135M-Instruct, imported into the data folder. */
import { existsSync } from "node:fs";
import path from "node:path";
import { manifestFileName } from "@/model/checkpoint/manifest";

export const defaultModelName = "SmolLM2-135M-Instruct";

/**
 * Its checkpoint folder. `npm test` puts it there before the tests start.
 * @throws Error with the command to run when it is not there: a missing model is a failure, never a skip
 */
export function defaultModelFolder(): string {
  const data = process.env.ATTUNE_DATA ?? "data";
  const folder = path.resolve(data, "models", defaultModelName);
  if (!existsSync(path.join(folder, manifestFileName))) {
    throw new Error(
      `${folder} is not there, and this test needs the default model. Run: npx attune models pull ${defaultModelName}`,
    );
  }
  return folder;
}
