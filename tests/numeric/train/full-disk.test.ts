/** @file A disk that fills up while a run saves, played at the edge of the file system: the last checkpoint stays whole. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { adapterWeightsFile } from "@/model/checkpoint/adapter-config";
import { verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { openSafetensors } from "@/model/checkpoint/safetensors-reader";
import { parseConfig } from "@/model/train/run-config";
import type { RunEvent } from "@/model/train/run-loop";
import { CheckpointNotSavedError } from "@/model/train/save-checkpoint";
import { runSft } from "@/model/train/sft";
import { sftConfigSchema } from "@/model/train/sft-config";
import type { DataEvent } from "@/model/train/unfit-data";

/** Bytes that still fit on the disk. */
const disk = vi.hoisted(() => ({ freeBytes: Number.POSITIVE_INFINITY }));

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof import("node:fs/promises")>();
  const open: typeof real.open = async (...args) => {
    const file = await real.open(...args);
    const write = file.write.bind(file) as (...rest: unknown[]) => Promise<{ bytesWritten: number }>;
    const limited = async (bytes: Uint8Array, offset: number, length: number) => {
      if (disk.freeBytes <= 0)
        throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
      // As a real disk does it: what fits is written first.
      const written = await write(bytes, offset, Math.min(length, disk.freeBytes));
      disk.freeBytes -= written.bytesWritten;
      return written;
    };
    return Object.assign(file, { write: limited });
  };
  return { ...real, open };
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-full-disk-"));
  const lines = Array.from({ length: 24 }, (_, i) =>
    JSON.stringify({ prompt: `Say ${i}`, response: `It is ${i}` }),
  );
  await writeFile(path.join(folder, "data.jsonl"), lines.join("\n"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(output: string, onEvent: (event: RunEvent | DataEvent) => void = () => {}) {
  const config = parseConfig(sftConfigSchema, {
    model: path.resolve(import.meta.dirname, "../../../model/tiny/sft"),
    data: [path.join(folder, "data.jsonl")],
    output: path.join(folder, output),
    rowLength: 64,
    rowsPerBatch: 1,
    validationShare: 0,
    lora: { rank: 2, alpha: 4 },
    threads: 1,
    saveEverySteps: 2,
    sampleTokens: 0,
  });
  return runSft(config, { onEvent });
}

// The state comes first (some ten kilobytes for this adapter), then the adapter (half as many again).
test.each([
  ["state", 5_000],
  ["adapter", 100_000],
])("full while it writes the %s", async (part, freeBytes) => {
  const events: RunEvent[] = [];
  const full = run(part, (event) => {
    if (event.type === "data") return;
    events.push(event);
    if (event.type === "saved" && event.step === 2) disk.freeBytes = freeBytes;
  });
  await expect(full).rejects.toThrow(CheckpointNotSavedError);
  await expect(full).rejects.toThrow(/The disk is full: .*step-000004, about \d+ MB, was not written/);
  const checkpoints = path.join(folder, part, "checkpoints");
  // Nothing half written is left behind.
  expect((await readdir(checkpoints)).toSorted()).toEqual(["step-000000", "step-000002"]);
  await verifyCheckpoint(path.join(checkpoints, "step-000002"));

  disk.freeBytes = Number.POSITIVE_INFINITY;
  const resumed: RunEvent[] = [];
  const { checkpoint } = await run(part, (event) => void (event.type === "data" || resumed.push(event)));
  expect(resumed[0]).toEqual({ type: "resumed", step: 2 });
  const undisturbed = await run(`${part}-undisturbed`);
  using a = openSafetensors([path.join(checkpoint, adapterWeightsFile)]);
  using b = openSafetensors([path.join(undisturbed.checkpoint, adapterWeightsFile)]);
  const name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
  expect(a.read(name)).toEqual(b.read(name));
});
