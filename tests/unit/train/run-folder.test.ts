/** @file A run's folder belongs to one run, and a base is a language model: everything else is refused before anything starts. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { claimRunFolder, RunFolderError } from "@/model/train/run-folder";
import { temporaryFolder } from "../../helpers/temporary-folder";

const run = {
  stage: "sft",
  settings: { lr: 1e-3, epochs: 2, output: "x" },
  datasetSha256: "d",
  base: "b",
} as const;

test("a new or empty folder becomes the run's, and stays it", async () => {
  await using folder = await temporaryFolder();
  const output = path.join(folder.path, "new/run");
  await claimRunFolder(output, run);
  await mkdir(path.join(output, "checkpoints/step-000000"), { recursive: true });
  await claimRunFolder(output, { ...run, settings: { ...run.settings, output: "elsewhere" } });
  expect((await readdir(output)).toSorted()).toEqual(["checkpoints", "run.json"]);
});

test("a folder with other things in it, and a file, are refused and left as they are", async () => {
  await using folder = await temporaryFolder();
  await writeFile(path.join(folder.path, "thesis.txt"), "x");
  const claim = claimRunFolder(folder.path, run);
  await expect(claim).rejects.toThrow(RunFolderError);
  await expect(claim).rejects.toThrow("holds something else (thesis.txt), not a run");
  expect(await readdir(folder.path)).toEqual(["thesis.txt"]);
  await expect(claimRunFolder(path.join(folder.path, "thesis.txt"), run)).rejects.toThrow("is no folder");
});

test("another run's checkpoints are refused with what differs; a run without any is replaced", async () => {
  await using folder = await temporaryFolder();
  const output = path.join(folder.path, "run");
  await claimRunFolder(output, run);
  await mkdir(path.join(output, "checkpoints"));
  await claimRunFolder(output, { ...run, settings: { lr: 2e-3, epochs: 2 } });
  await mkdir(path.join(output, "checkpoints/step-000000"), { recursive: true });
  await expect(claimRunFolder(output, run)).rejects.toThrow("lr is 0.002 there and 0.001 here");
  await expect(claimRunFolder(output, { ...run, stage: "pretrain" })).rejects.toThrow("holds a sft run");
  const changed = { ...run, settings: { lr: 2e-3, epochs: 2 }, datasetSha256: "e", base: "c" };
  await expect(claimRunFolder(output, changed)).rejects.toThrow(
    "the data have changed since; the model it starts from has changed since",
  );
});

test("a run may go on elsewhere: with its checkpoints brought along, and its files in other places", async () => {
  await using folder = await temporaryFolder();
  const output = path.join(folder.path, "run");
  await mkdir(path.join(output, "checkpoints/step-000004"), { recursive: true });
  const at = (root: string) => ({
    ...run,
    settings: {
      lr: 1e-3,
      model: `${root}/m`,
      data: [`${root}/d`],
      tokenizer: `${root}/t`,
      pretrainMix: { data: [`${root}/p`], share: 0.1 },
    },
  });
  await claimRunFolder(output, at("here"));
  await claimRunFolder(output, at("there"));
  const other = {
    ...at("there"),
    settings: { ...at("there").settings, pretrainMix: { data: ["p"], share: 0.2 } },
  };
  await expect(claimRunFolder(output, other)).rejects.toThrow(
    'pretrainMix is {"share":0.1} there and {"share":0.2} here',
  );
});
