/**
 * @file Fifty faults at seeded random moments in one run: killed trainers, stage processes and servers, a cut network, a full
 * disk, and batches whose loss is no number. The weights are those of the same run without any but the bad batches.
 */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { uniform } from "@/model/random/philox";
import type { IncidentKind } from "@/server/runs/protocol";
import type { RunDetail } from "@/server/runs/read-runs";
import { poison, writePoisonedModel } from "../../helpers/poisoned-model";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { type TrainerServer, trainerServer } from "../../helpers/trainer-server";

const faultCount = 50;
const limitMs = 240_000;
const seed = 20;
const random = (fault: number, what: number) => uniform(seed, [0, fault, what, 0]);

/** One row of forty spoils the batch it is in, in every epoch. */
const rows = Array.from({ length: 40 }, (_, i) => ({
  prompt: i === 17 ? `What is ${poison}?` : `What comes after ${i}?`,
  response: `After ${i} comes ${i + 1}.`,
}));
const config = {
  epochs: 60,
  rowLength: 64,
  rowsPerBatch: 2,
  lora: { rank: 2 },
  evaluateEverySteps: 60,
  saveEverySteps: 10,
  sampleTokens: 4,
  threads: 1,
};

type Fault = {
  /** What it is called on the timeline. */
  incident: IncidentKind;
  /** How often, next to the others. */
  weight: number;
  /** @returns false: just now there is nothing to break; @param seen resolves when the timeline says so */
  inflict(server: TrainerServer, seen: () => Promise<void>): Promise<boolean>;
};

const faults: Record<string, Fault> = {
  "killed trainer": {
    incident: "workerLost",
    weight: 8,
    inflict: async (server) => server.kill("trainer.js", "SIGKILL"),
  },
  "killed stage process": {
    incident: "other",
    weight: 4,
    inflict: async (server) => server.kill("stage.js", "SIGKILL"),
  },
  "killed server": {
    incident: "workerReplaced",
    weight: 2,
    async inflict(server) {
      await server.restart("SIGKILL");
      return true;
    },
  },
  "cut network": {
    incident: "connectionLost",
    weight: 4,
    async inflict({ line }) {
      await Promise.race([line.cut(), sleep(10_000)]);
      // Shorter ones are not worth a line on the timeline.
      await sleep(700);
      line.mend();
      return true;
    },
  },
  "full disk": {
    incident: "diskFull",
    weight: 2,
    async inflict({ dataFolder }, seen) {
      const ballast = path.join(dataFolder, "trainer", "ballast");
      await writeFile(ballast, Buffer.alloc(diskBytes)).catch(() => {});
      await seen().finally(() => rm(ballast));
      return true;
    },
  },
};

/** Enough for base, checkpoints and what is sampled from. */
const diskBytes = 128 * 1024 * 1024;

/** A small disk of its own for the trainer's work. Null where this user may not mount one: then no disk is filled. */
async function mountSmallDisk(folder: string): Promise<AsyncDisposable | null> {
  await mkdir(folder, { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", folder], { stdio: "pipe" });
  } catch {
    return null;
  }
  return {
    async [Symbol.asyncDispose]() {
      execFileSync("umount", ["--lazy", folder]);
    },
  };
}

function drawFault(number: number, hasDisk: boolean): string {
  const able = Object.entries(faults).filter(([name]) => hasDisk || name !== "full disk");
  const lots = able.flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name));
  return lots[Math.floor(random(number, 0) * lots.length)] ?? expect.unreachable();
}

/** sha256 of the weights of each checkpoint that a run has left, by step. */
async function readWeights(
  server: TrainerServer,
  { checkpoints }: RunDetail,
): Promise<Record<number, string>> {
  const weights: Record<number, string> = {};
  for (const { id, step } of checkpoints) {
    const file = path.join(server.dataFolder, "artifacts", "checkpoints", id, "attune.json");
    const manifest: { files: Record<string, { sha256: string }> } = JSON.parse(await readFile(file, "utf8"));
    weights[step] = manifest.files["adapter_model.safetensors"]?.sha256 ?? "";
  }
  return weights;
}

const isOver = ({ status }: RunDetail) => ["finished", "failed", "paused"].includes(status);

it("a run ends with the same weights, whatever happens to machines, lines and disks", async () => {
  await using data = await temporaryFolder();
  await using disk = await mountSmallDisk(path.join(data.path, "trainer"));
  await using server = await trainerServer({ dataFolder: data.path });
  const base = path.join(server.dataFolder, "models", "poisoned");
  await writePoisonedModel(base);
  const baseCheckpointId = await server.register(base);
  const datasetId = await server.upload(rows);
  const start = async (name: string) => {
    const input = { name, stage: "sft" as const, config, baseCheckpointId, datasets: [{ datasetId }] };
    return (await server.admin.call.runs.create.mutate(input)).runId;
  };
  const countIncidents = async (runId: string, what: IncidentKind) =>
    (await server.timeline(runId)).filter(
      ({ kind, payload }) => kind === "incident" && "what" in payload && payload.what === what,
    ).length;

  const undisturbed = await server.until(await start("Same name"), isOver, 120_000);
  expect(undisturbed.status).toBe("finished");

  const runId = await start("Same name");
  const startedAt = Date.now();
  const inflicted: Record<string, number> = {};
  for (let fault = 0; fault < faultCount; ) {
    await server.until(runId, ({ status }) => status === "running");
    await sleep(random(fault, 1) * 1_500);
    const name = drawFault(fault, disk !== null);
    const { incident, inflict } = faults[name] ?? expect.unreachable();
    const before = await countIncidents(runId, incident);
    if ((await server.read(runId)).status !== "running") continue;
    const seen = async () => {
      await server.until(runId, () => true);
      while ((await countIncidents(runId, incident)) === before) {
        if (Date.now() - startedAt > limitMs)
          throw new Error(
            `No incident told of a ${name}, number ${fault} after ${JSON.stringify(inflicted)}.\n${server.output().slice(-3000)}`,
          );
        await sleep(200);
      }
    };
    if (!(await inflict(server, seen))) continue;
    await seen();
    inflicted[name] = (inflicted[name] ?? 0) + 1;
    fault++;
  }
  const faultsMs = Date.now() - startedAt;
  const run = await server.until(runId, isOver, 120_000);
  console.info(`${faultCount} faults in ${Math.round(faultsMs / 1000)} s: ${JSON.stringify(inflicted)}`);

  expect(faultsMs).toBeLessThan(limitMs);
  expect(run).toMatchObject({ status: "finished", step: undisturbed.step, attempts: 0 });
  const weights = await readWeights(server, run);
  const expected = await readWeights(server, undisturbed);
  expect(weights[run.step]).toBe(expected[run.step]);
  const best = ({ checkpoints }: RunDetail) => checkpoints.find(({ isBest }) => isBest)?.step;
  expect(best(run)).toBe(best(undisturbed));
  // Whatever both have kept is the same, not the last one alone.
  expect(weights).toEqual({
    ...weights,
    ...Object.fromEntries(Object.entries(expected).filter(([step]) => step in weights)),
  });
  expect(await countIncidents(runId, "nonFiniteStep")).toBeGreaterThanOrEqual(config.epochs);
  expect(await countIncidents(runId, "codeFailed")).toBe(0);
}, 600_000);
