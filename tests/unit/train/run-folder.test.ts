/** @file A run's folder belongs to one run, and a base is a language model: everything else is refused before anything starts. */
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { claimRunFolder, RunFolderError } from "@/model/train/run-folder";
import { temporaryFolder } from "../../helpers/temporary-folder";

/** As a run does that ends at once. */
async function claimOnce(...claim: Parameters<typeof claimRunFolder>): Promise<void> {
  using _folder = await claimRunFolder(...claim);
}

const run = {
  stage: "sft",
  settings: { lr: 1e-3, epochs: 2, output: "x" },
  datasetSha256: "d",
  base: "b",
} as const;

test("a new or empty folder becomes the run's, and stays it", async () => {
  await using folder = await temporaryFolder();
  const output = path.join(folder.path, "new/run");
  await claimOnce(output, run);
  await mkdir(path.join(output, "checkpoints/step-000000"), { recursive: true });
  await claimOnce(output, { ...run, settings: { ...run.settings, output: "elsewhere" } });
  expect((await readdir(output)).toSorted()).toEqual(["checkpoints", "run.json"]);
});

test("a folder whose claim was cut half-way, by a kill or a full disk, is claimed as if it were new", async () => {
  await using folder = await temporaryFolder();
  await writeFile(path.join(folder.path, "run.json.part"), '{"formatVer');
  await claimOnce(folder.path, run);
  expect(await readdir(folder.path)).toEqual(["run.json"]);
});

test("a folder with other things in it, and a file, are refused and left as they are", async () => {
  await using folder = await temporaryFolder();
  await writeFile(path.join(folder.path, "thesis.txt"), "x");
  const claim = claimOnce(folder.path, run);
  await expect(claim).rejects.toThrow(RunFolderError);
  await expect(claim).rejects.toThrow("holds something else (thesis.txt), not a run");
  expect(await readdir(folder.path)).toEqual(["thesis.txt"]);
  await expect(claimOnce(path.join(folder.path, "thesis.txt"), run)).rejects.toThrow("is no folder");
});

test("another run's checkpoints are refused with what differs; a run without any is replaced", async () => {
  await using folder = await temporaryFolder();
  const output = path.join(folder.path, "run");
  await claimOnce(output, run);
  await mkdir(path.join(output, "checkpoints"));
  await claimOnce(output, { ...run, settings: { lr: 2e-3, epochs: 2 } });
  await mkdir(path.join(output, "checkpoints/step-000000"), { recursive: true });
  await expect(claimOnce(output, run)).rejects.toThrow("lr is 0.002 there and 0.001 here");
  await expect(claimOnce(output, { ...run, stage: "pretrain" })).rejects.toThrow("holds a sft run");
  const changed = { ...run, settings: { lr: 2e-3, epochs: 2 }, datasetSha256: "e", base: "c" };
  await expect(claimOnce(output, changed)).rejects.toThrow(
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
  await claimOnce(output, at("here"));
  await claimOnce(output, at("there"));
  const other = {
    ...at("there"),
    settings: { ...at("there").settings, pretrainMix: { data: ["p"], share: 0.2 } },
  };
  await expect(claimOnce(output, other)).rejects.toThrow(
    'pretrainMix is {"share":0.1} there and {"share":0.2} here',
  );
});

test("while a process trains there, a second one is refused by the name of the first; what a dead one left is taken over", async () => {
  await using folder = await temporaryFolder();
  const output = path.join(folder.path, "run");
  {
    using _mine = await claimRunFolder(output, run);
    const second = claimOnce(output, run);
    await expect(second).rejects.toThrow(RunFolderError);
    await expect(second).rejects.toThrow(`run is in use by process ${process.pid} (sft, since `);
  }
  await claimOnce(output, run);
  const left = { startTime: "1", purpose: "sft", takenAt: "2026-01-01T00:00:00.000Z", nonce: "n" };
  const lock = path.join(output, "run.lock");
  // No process has this number: Linux ends at 2^22.
  await writeFile(lock, JSON.stringify({ ...left, pid: 2 ** 22 + 1, host: os.hostname() }));
  await claimOnce(output, run);

  // Of a process on another machine only the file's age is known.
  await writeFile(lock, JSON.stringify({ ...left, pid: 7, host: "elsewhere" }));
  await expect(claimOnce(output, run)).rejects.toThrow("in use by process 7 on elsewhere (sft");
  const longAgo = new Date(Date.now() - 16 * 60_000);
  await utimes(lock, longAgo, longAgo);
  await claimOnce(output, run);
  expect(await readdir(output)).toEqual(["run.json"]);
});
