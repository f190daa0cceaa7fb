/** @file A training command that is killed, interrupted or out of disk goes on, and ends with the bits of a run that was left alone. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { watch } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { animals, objects } from "@/model/data/tiny-world";
import { type AttuneProcess, runAttune, startAttune } from "../../helpers/attune-command";

let folder = "";
let config = "";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-interruption-"));
  const nouns = [...animals.map(({ name }) => name), ...objects];
  const lines = nouns.map((noun) => JSON.stringify({ prompt: `Say ${noun}`, response: noun.toUpperCase() }));
  await writeFile(path.join(folder, "data.jsonl"), lines.join("\n"));
  config = path.join(folder, "run.json");
  const settings = {
    model: path.resolve(import.meta.dirname, "../../../model/tiny/sft"),
    data: [path.join(folder, "data.jsonl")],
    epochs: 4,
    rowLength: 64,
    rowsPerBatch: 2,
    lr: 3e-3,
    lora: { rank: 4, alpha: 8 },
    threads: 1,
    saveEverySteps: 3,
    sampleTokens: 4,
  };
  await writeFile(config, JSON.stringify(settings));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const sft = (output: string) => ["sft", "--config", config, "--set", `output=${output}`];
const inFolder = (name: string) => path.join(folder, name);

/** Every file of the last checkpoint, by name: weights, tokenizer, manifest, and the state to go on from. */
async function lastCheckpoint(output: string): Promise<Record<string, string>> {
  const [last] = await stepFolders(output);
  const checkpoint = path.join(output, "checkpoints", last ?? "");
  const files = (await readdir(checkpoint, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const digests = files.map(async ({ parentPath, name }) => {
    const file = path.join(parentPath, name);
    const sha256 = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    return [path.relative(checkpoint, file), sha256] as const;
  });
  return Object.fromEntries(await Promise.all(digests));
}

/** The newest first. */
async function stepFolders(output: string): Promise<string[]> {
  const names = await readdir(path.join(output, "checkpoints"));
  return names
    .filter((name) => name.startsWith("step-") && !name.endsWith(".part"))
    .toSorted()
    .toReversed();
}

let whole: Record<string, string> = {};
beforeAll(async () => {
  const { code, lines, errors } = await runAttune(sft(inFolder("whole")));
  expect(errors).toBe("");
  expect(code).toBe(0);
  expect(lines.join("\n")).toMatch(/Validation loss [\d.]+ before, [\d.]+ after/);
  whole = await lastCheckpoint(inFolder("whole"));
  expect(Object.keys(whole)).toEqual(
    expect.arrayContaining([
      "attune.json",
      "adapter_config.json",
      "adapter_model.safetensors",
      "state/state.json",
    ]),
  );
});

type Trap = (line: string, attune: AttuneProcess, output: string) => void;
const killAt: Record<string, Trap> = {
  "before its first checkpoint": (line, attune) => {
    if (line.includes("examples to train on")) attune.kill("SIGKILL");
  },
  "in a step": (line, attune) => {
    if (line.startsWith("step 5/")) attune.kill("SIGKILL");
  },
  "while it saves": (line, attune, output) => {
    if (!line.startsWith("step 4/")) return;
    // The first sign of the next checkpoint.
    const watcher = watch(path.join(output, "checkpoints"), () => {
      watcher.close();
      attune.kill("SIGKILL");
    });
  },
  "when it has just saved": (line, attune) => {
    if (line.startsWith("saved") && line.includes("step-000003")) attune.kill("SIGKILL");
  },
};

test.each(Object.keys(killAt))("killed %s, it goes on and ends with the same bits", async (moment) => {
  const output = inFolder(moment.replaceAll(" ", "-"));
  const killed = await startAttune(sft(output), (line, attune) => killAt[moment]?.(line, attune, output))
    .ended;
  expect(killed.code).toBeNull();
  const resumed = await runAttune(sft(output));
  expect(resumed.errors).toBe("");
  expect(resumed.code).toBe(0);
  const goesOn = resumed.lines.some((line) => line.startsWith("Going on after step"));
  expect(goesOn).toBe(moment !== "before its first checkpoint");
  expect(await lastCheckpoint(output)).toEqual(whole);
});

test("Ctrl-C saves, says how to go on, and ends with 130; the same command goes on to the same bits", async () => {
  const output = inFolder("interrupted");
  const stopped = await startAttune(sft(output), (line, attune) => {
    if (line.startsWith("step 5/")) attune.kill("SIGINT");
  }).ended;
  expect(stopped.code).toBe(130);
  const steps = stopped.lines.filter((line) => line.startsWith("step ")).length;
  expect(stopped.lines.at(-1)).toMatch(
    new RegExp(`^Stopped after step ${steps} of \\d+, and saved. The same command goes on from there.$`),
  );
  const resumed = await runAttune([...sft(output), "--json"]);
  expect(resumed.code).toBe(0);
  const summary: unknown = JSON.parse(resumed.lines.at(-1) ?? "");
  expect(summary).toMatchObject({ stage: "sft", finished: true, validationLossBefore: expect.any(Number) });
  expect(await lastCheckpoint(output)).toEqual(whole);
});

test("a second command on the same folder is refused while the first trains there, and changes nothing", async () => {
  const output = inFolder("twice");
  const seconds: ReturnType<typeof runAttune>[] = [];
  const first = startAttune(sft(output), (line) => {
    if (line.startsWith("step 2/")) seconds.push(runAttune(sft(output)));
  });
  const { code, errors } = await first.ended;
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  const refused = await (seconds[0] ?? expect.unreachable());
  expect(refused.code).toBe(1);
  expect(refused.errors).toMatch(/twice is in use by process \d+ \(sft, since/);
  expect(await lastCheckpoint(output)).toEqual(whole);
});

const canMount = (() => {
  const probe = path.join(tmpdir(), `attune-mount-${process.pid}`);
  try {
    execFileSync("sh", ["-c", `mkdir "${probe}" && mount -t tmpfs tmpfs "${probe}" && umount "${probe}"`], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  } finally {
    execFileSync("rm", ["-rf", probe]);
  }
})();

/** run.json, the log of the samples, folders: what a run writes beside its checkpoints. */
const roomBesideBytes = 64 * 1024;

async function sizeOf(root: string): Promise<number> {
  const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const sizes = files.map(async ({ parentPath, name }) => (await stat(path.join(parentPath, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

// Only root can make a small file system. tests/numeric/train/full-disk.test.ts shows the same by failing writes anywhere.
describe.runIf(canMount)("on a disk with room for one checkpoint and a half", () => {
  test("it ends when the disk is full, the last checkpoint is whole, and with space it goes on to the same bits", async () => {
    const disk = inFolder("disk");
    await mkdir(disk);
    const [newest] = await stepFolders(inFolder("whole"));
    const checkpoint = await sizeOf(path.join(inFolder("whole"), "checkpoints", newest ?? ""));
    const size = Math.ceil(checkpoint * 1.5 + roomBesideBytes);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", disk]);
    try {
      const output = path.join(disk, "run");
      const full = await runAttune(sft(output));
      expect(full.code).toBe(1);
      expect(full.errors).toMatch(/The disk is full/);
      expect(full.errors).toMatch(/the same command goes on from/);
      const [last] = await stepFolders(output);
      await verifyCheckpoint(path.join(output, "checkpoints", last ?? ""));
      execFileSync("mount", ["-o", "remount,size=64m", disk]);
      const resumed = await runAttune(sft(output));
      expect(resumed.code).toBe(0);
      expect(await lastCheckpoint(output)).toEqual(whole);
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});
