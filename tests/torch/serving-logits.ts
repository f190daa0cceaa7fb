/** @file Prints what the serving runtime computes in fp32: `npx tsx serving-logits.ts <folder> <cache folder> <JSON of ids> [adapter folder]`. */
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { openAdapter } from "@/model/runtime/adapter";
import { loadModel } from "@/model/runtime/generator";

const [folder, cacheFolder, ids, adapterFolder] = process.argv.slice(2);
if (!folder || !cacheFolder || !ids)
  throw new Error("Usage: <folder> <cache folder> <JSON of ids> [adapter folder]");

using checkpoint = await openCheckpoint(folder);
const adapter = adapterFolder ? await openAdapter(adapterFolder) : null;
const options = { precision: "fp32", threads: 1, slots: 1, cacheFolder } as const;
await using model = await loadModel(checkpoint, adapter, options);
const rows = await model.score(0, JSON.parse(ids) as number[]); // (T) of (V)
console.log(
  Buffer.concat(rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))).toString(
    "base64",
  ),
);
