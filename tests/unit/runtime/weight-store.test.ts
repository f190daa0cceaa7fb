/** @file A serving form is written once, read afterwards, and written again when it is not whole. */
import { appendFile, mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { openServingForm, type WeightStore } from "@/model/runtime/weight-store";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";

/** Asks for two tensors and counts how often they had to be made. */
function user() {
  const made: string[] = [];
  const make = (key: string, data: Float32Array) => () => {
    made.push(key);
    return [{ dtype: "float32" as const, shape: [data.length], data }];
  };
  const use = (store: WeightStore) => {
    store.tensors("a", make("a", Float32Array.of(1, 2, 3)));
    store.tensors("b", make("b", Float32Array.of(4)));
    store.tensors("a", make("a again", Float32Array.of(9)));
  };
  return { made, use };
}

async function opened() {
  const temporary = await temporaryFolder();
  const folder = path.join(temporary.path, "serving", "checkpoint-int8");
  const first = user();
  await openServingForm(folder, first.use);
  expect(first.made).toEqual(["a", "b"]);
  return { temporary, folder };
}

it("makes each tensor once, and none at the second opening", async () => {
  const { temporary, folder } = await opened();
  await using _ = temporary;
  const second = user();
  const form = await openServingForm(folder, second.use);
  expect(second.made).toEqual([]);
  const [b] = form.weights.tensors("b", () => []);
  if (b?.data.kind !== "file") throw new Error("b is not in the file");
  const bytes = await readFile(path.join(form.folder, b.data.location));
  expect(bytes.readFloatLE(b.data.offset)).toBe(4);
  expect(b.data.sizeBytes).toBe(4);
});

it.each<[string, (folder: string) => Promise<void>]>([
  ["cut short", (folder) => truncate(path.join(folder, "weights.bin"), 100)],
  [
    "altered in one byte",
    async (folder) => {
      const file = path.join(folder, "weights.bin");
      const bytes = await readFile(file);
      bytes.writeUInt8(bytes.readUInt8(2) ^ 1, 2);
      await writeFile(file, bytes);
    },
  ],
  ["longer than it was", (folder) => appendFile(path.join(folder, "weights.bin"), "x")],
  ["without its weights", (folder) => rm(path.join(folder, "weights.bin"))],
  ["without its index", (folder) => rm(path.join(folder, "index.json"))],
  ["with half an index", (folder) => truncate(path.join(folder, "index.json"), 20)],
  [
    "of another version",
    async (folder) => {
      const file = path.join(folder, "index.json");
      await writeFile(file, (await readFile(file, "utf8")).replace('"formatVersion":1', '"formatVersion":0'));
    },
  ],
])("is written again when %s", async (_, damage) => {
  const { temporary, folder } = await opened();
  await using __ = temporary;
  await damage(folder);
  const again = user();
  await openServingForm(folder, again.use);
  expect(again.made).toEqual(["a", "b"]);
  const after = user();
  await openServingForm(folder, after.use);
  expect(after.made).toEqual([]);
});

it("leaves nothing behind when a tensor cannot be made", async () => {
  await using temporary = await temporaryFolder();
  const folder = path.join(temporary.path, "checkpoint-int8");
  const failing = openServingForm(folder, (store) => {
    store.tensors("a", () => {
      throw new Error("disk of the checkpoint is gone");
    });
  });
  await expect(failing).rejects.toThrow("disk of the checkpoint is gone");
  expect(await readdir(temporary.path)).toEqual([]);
});

it("removes what a killed process left half written, not what another one is writing", async () => {
  await using temporary = await temporaryFolder();
  const folder = path.join(temporary.path, "checkpoint-int8");
  for (const name of ["old", "new"]) await mkdir(`${folder}.tmp-${name}`);
  const anHourAgo = Date.now() / 1000 - 3600;
  await utimes(`${folder}.tmp-old`, anHourAgo, anHourAgo);
  await openServingForm(folder, user().use);
  expect((await readdir(temporary.path)).sort()).toEqual(["checkpoint-int8", "checkpoint-int8.tmp-new"]);
});
