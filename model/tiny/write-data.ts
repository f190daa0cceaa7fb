/** @file Writes the tiny model's training text: `npx tsx model/tiny/write-data.ts <folder> [conversations] [seed]`. */
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { finished } from "node:stream/promises";
import { writeProse } from "../data/tiny-prose";
import { makeTinyConversation, makeTinyTask } from "../data/tiny-tasks";
import { createRandom } from "../random/random";

const [folder, conversations = "150000", seed = "1"] = process.argv.slice(2);
if (folder === undefined) throw new Error("Usage: npx tsx model/tiny/write-data.ts <folder> [conversations] [seed]");

async function writeLines(name: string, count: number, makeLine: () => unknown): Promise<void> {
  const stream = createWriteStream(path.join(folder ?? ".", name));
  for (let line = 0; line < count; line++) stream.write(`${JSON.stringify(makeLine())}\n`);
  stream.end();
  await finished(stream);
}

await mkdir(folder, { recursive: true });
const random = createRandom(Number(seed));
const total = Number(conversations);
await writeLines("conversations.jsonl", total, () => ({ messages: makeTinyConversation(random) }));
await writeLines("prose.jsonl", Math.ceil(total / 10), () => ({ text: writeProse(random) }));
await writeLines("tasks-validation.jsonl", 500, () => makeTinyTask(random));
