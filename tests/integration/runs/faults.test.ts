/**
 * @file Fifty faults at seeded random moments in one run: killed trainers, stage processes and servers, a cut network, a full
 * disk, and batches whose loss is no number. The weights are those of the same run without any but the bad batches.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { uniform } from "@/model/random/philox";
import type { IncidentKind } from "@/server/runs/protocol";
import type { RunDetail } from "@/server/runs/read-runs";
import { poison, writePoisonedModel } from "../../helpers/poisoned-model";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { type TrainerServer, trainerServer } from "../../helpers/trainer-server";

const faultCount = 50;
const limitMs = 240_000;
/** The faults fall into this share of the run, from its beginning. */
const struckShare = 0.7;
/** Stage processes killed without a new checkpoint: a fifth would pause the run, as it should. */
const mostKills = 4;
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

type Disk = AsyncDisposable & { env: Record<string, string>; fill(): Promise<void>; empty(): Promise<void> };

type Fault = {
  /** What it is called on the timeline. */
  incident: IncidentKind;
  /** How often, next to the others. */
  weight: number;
  /** @returns false: just now there is nothing to break; @param seen resolves when the timeline says so */
  inflict(parts: {
    server: TrainerServer;
    disk: Disk;
    seen: () => Promise<void>;
    /** Whether the incident is told within this time. */
    told: (patienceMs: number) => Promise<boolean>;
  }): Promise<boolean>;
};

const faults: Record<string, Fault> = {
  "killed trainer": {
    incident: "workerLost",
    weight: 8,
    inflict: async ({ server }) => server.kill("trainer.js", "SIGKILL"),
  },
  "killed stage process": {
    incident: "processKilled",
    weight: 4,
    inflict: async ({ server }) => server.kill("stage.js", "SIGKILL"),
  },
  "killed server": {
    incident: "workerReplaced",
    weight: 2,
    async inflict({ server }) {
      await server.restart("SIGKILL");
      return true;
    },
  },
  "cut network": {
    incident: "connectionLost",
    weight: 4,
    async inflict({ server: { line }, told }) {
      await Promise.race([line.cut(), sleep(10_000)]);
      // Shorter ones are not worth a line on the timeline.
      await sleep(600);
      line.mend();
      // One that fell between two requests was no interruption.
      return told(10_000);
    },
  },
  "full disk": {
    incident: "diskFull",
    weight: 2,
    async inflict({ disk, seen }) {
      await disk.fill();
      await seen().finally(() => disk.empty());
      return true;
    },
  },
};

/** Enough for base, checkpoints and what is sampled from. */
const diskBytes = 128 * 1024 * 1024;

/** A small disk of its own for the trainer's work; where this user may not mount one, its writes fail as on a full one. */
async function trainerDisk(folder: string): Promise<Disk> {
  await mkdir(folder, { recursive: true });
  const isMounted = mountSmallDisk(folder);
  const ballast = path.join(isMounted ? folder : path.dirname(folder), "ballast");
  const preload = pathToFileURL(path.resolve(import.meta.dirname, "../../helpers/full-disk.mjs"));
  return {
    env: isMounted ? {} : { NODE_OPTIONS: `--import=${preload}`, TEST_FULL_DISK: ballast },
    fill: () => writeFile(ballast, Buffer.alloc(isMounted ? diskBytes : 0)).catch(() => {}),
    empty: () => rm(ballast),
    async [Symbol.asyncDispose]() {
      if (isMounted) execFileSync("umount", ["--lazy", folder]);
    },
  };
}

function mountSmallDisk(folder: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", folder], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

function drawFault(number: number): string {
  const lots = Object.entries(faults).flatMap(([name, { weight }]) =>
    Array.from({ length: weight }, () => name),
  );
  return lots[Math.floor(random(number, 0) * lots.length)] ?? expect.unreachable();
}

/**
 * sha256 of the files of each checkpoint that a run has left, by step: weights, adapter, tokenizer, and the optimizer and
 * place to go on from, where they are kept. Only the manifest differs between two runs: it names its run.
 */
async function readFiles(
  server: TrainerServer,
  { checkpoints }: RunDetail,
): Promise<Record<number, Record<string, string>>> {
  const steps: Record<number, Record<string, string>> = {};
  for (const { id, step } of checkpoints) {
    const folder = path.join(server.dataFolder, "artifacts", "checkpoints", id);
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isFile() && entry.name !== "attune.json")
      .map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name)));
    const digests = names.map(async (name) => [name, await sha256Of(path.join(folder, name))] as const);
    steps[step] = Object.fromEntries(await Promise.all(digests));
  }
  return steps;
}

const sha256Of = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

const isOver = ({ status }: RunDetail) => ["finished", "failed", "paused"].includes(status);

it("a run ends with the same weights, whatever happens to machines, lines and disks", async () => {
  await using data = await temporaryFolder();
  await using disk = await trainerDisk(path.join(data.path, "trainer"));
  // Orders and losses are heard of with the heartbeats, four to a lease.
  const env = { ...disk.env, ATTUNE_LEASE_SECONDS: "8" };
  await using server = await trainerServer({ dataFolder: data.path, env });
  const base = path.join(server.dataFolder, "models", "poisoned");
  await writePoisonedModel(base);
  const baseCheckpointId = await server.register(base);
  const datasetId = await server.upload(rows);
  const start = async (name: string) => {
    const input = { name, stage: "sft" as const, config, baseCheckpointId, datasets: [{ datasetId }] };
    return (await server.admin.call.runs.create.mutate(input)).runId;
  };
  /** Whether an incident tells of this, later on the timeline than `after`. */
  const isTold = async (runId: string, what: IncidentKind, after: number) => {
    const page = { runId, kinds: ["incident" as const], limit: 50 };
    const { rows } = await server.admin.call.runs.timeline.query(page);
    return rows.some(({ number, payload }) => number > after && "what" in payload && payload.what === what);
  };

  const undisturbed = await server.until(await start("Same name"), isOver, 240_000);
  expect(undisturbed.status).toBe("finished");

  const runId = await start("Same name");
  const startedAt = Date.now();
  const inflicted: Record<string, number> = {};
  let stepBefore = 0;
  let savedBefore: number | undefined;
  let kills = 0;
  for (let fault = 0; fault < faultCount; ) {
    // Three in ten may strike while processes start; the others find a run that computes again.
    const isEarly = random(fault, 2) < 0.3;
    // On a quick machine the run must not end before the faults do: it computes on while its line is cut.
    const isAhead = ({ step, totalSteps }: RunDetail) =>
      totalSteps !== null && step / totalSteps > (struckShare * (0.1 + fault)) / faultCount;
    const found = await server.until(
      runId,
      (run) => run.status === "running" && (isEarly || isAhead(run) || run.step !== stepBefore),
    );
    if (!isAhead(found)) await sleep(random(fault, 1) * 200);
    const name = kills < mostKills ? drawFault(fault) : "killed trainer";
    const { incident, inflict } = faults[name] ?? expect.unreachable();
    const { status, step, cursor, checkpoints } = await server.read(runId);
    if (status !== "running") continue;
    if (checkpoints[0]?.step !== savedBefore) kills = 0;
    savedBefore = checkpoints[0]?.step;
    stepBefore = step;
    const told = async (patienceMs: number) => {
      for (const since = Date.now(); Date.now() - since < patienceMs; await sleep(100)) {
        if (await isTold(runId, incident, cursor)) return true;
      }
      return false;
    };
    const seen = async () => {
      if (await told(limitMs - (Date.now() - startedAt))) return;
      throw new Error(
        `No incident told of a ${name}, number ${fault} after ${JSON.stringify(inflicted)}.\n${server.output().slice(-3000)}`,
      );
    };
    if (!(await inflict({ server, disk, seen, told }))) {
      await sleep(50);
      continue;
    }
    await seen();
    if (name === "killed stage process") kills++;
    inflicted[name] = (inflicted[name] ?? 0) + 1;
    fault++;
  }
  const faultsMs = Date.now() - startedAt;
  const run = await server.until(runId, isOver, 240_000);
  console.info(`${faultCount} faults in ${Math.round(faultsMs / 1000)} s: ${JSON.stringify(inflicted)}`);

  expect(faultsMs).toBeLessThan(limitMs);
  expect(Object.keys(inflicted).toSorted()).toEqual(Object.keys(faults).toSorted());
  expect(run).toMatchObject({ status: "finished", step: undisturbed.step, attempts: 0 });
  const files = await readFiles(server, run);
  const expected = await readFiles(server, undisturbed);
  expect(Object.keys(files[run.step] ?? {})).toEqual(
    expect.arrayContaining([
      "adapter_model.safetensors",
      path.join("state", "optimizer.safetensors"),
      path.join("state", "state.json"),
    ]),
  );
  expect(files[run.step]).toEqual(expected[run.step]);
  const best = ({ checkpoints }: RunDetail) => checkpoints.find(({ isBest }) => isBest)?.step;
  expect(best(run)).toBe(best(undisturbed));
  // Whatever both have kept is the same, not the last one alone. Which states are kept depends on when they came in.
  for (const [step, names] of Object.entries(files)) {
    for (const [name, sha256] of Object.entries(names)) {
      const other = expected[Number(step)]?.[name];
      if (other !== undefined) expect({ step, name, sha256 }).toEqual({ step, name, sha256: other });
    }
  }
  const incidents = (await server.timeline(runId, ["incident"])).flatMap(({ payload }) =>
    "what" in payload ? [payload.what] : [],
  );
  const count = (what: IncidentKind) => incidents.filter((each) => each === what).length;
  expect(count("nonFiniteStep")).toBeGreaterThanOrEqual(config.epochs);
  expect(count("codeFailed")).toBe(0);
  expect(incidents.length - count("nonFiniteStep")).toBeGreaterThanOrEqual(faultCount);
}, 600_000);
