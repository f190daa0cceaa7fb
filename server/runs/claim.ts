/** @file Giving the next run of the queue to a worker that can do it: of two that ask at once, one gets it. */
import { and, eq, ne, sql } from "drizzle-orm";
import { runs, workers } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { measureLines, readDataset } from "../domain/datasets";
import { notify } from "../domain/notifications";
import { findBest, findLastState, findLineageBaseId, locateFiles, toOffer } from "./artifacts";
import { loseLease, secondsFromNow, type WorkerCall } from "./lease";
import {
  type CheckpointOffer,
  type ClaimAnswer,
  type ClaimRequest,
  type DatasetOffer,
  heartbeatShare,
  protocolVersion,
  type RunOffer,
} from "./protocol";
import { publishRun } from "./run-changes";
import {
  findObstacles,
  hashDatasets,
  readInputIds,
  readRunDatasets,
  readRunRewardModels,
} from "./run-inputs";
import { describeSuites } from "./run-suites";
import { isTrainable, stageSettings } from "./stage-settings";
import type { RunRow } from "./steer-run";
import { appendTimeline } from "./timeline";

const retryAfterSeconds = 3;
/** More would only make rounding differ between machines; see `threads` of the stages. */
const mostThreads = 8;

/**
 * The worker's run. Asking again in one session gives the same one again; asking in a new session ends what the worker's
 * earlier process held, for it is gone.
 */
export async function claimRun(call: WorkerCall, request: ClaimRequest): Promise<ClaimAnswer> {
  const touched = new Set<string>();
  const run = await call.db.transaction(async (tx) => {
    await noteWorker(tx, call, request);
    for (const id of await replaceEarlierSession(tx, call, request)) touched.add(id);
    return (await findHeld(tx, call, request)) ?? (await takeNext(tx, call, request, touched));
  });
  for (const id of touched) publishRun(id);
  return { run: run && (await describeRun(call, run)), retryAfterSeconds };
}

async function noteWorker(tx: Tx, { worker }: WorkerCall, request: ClaimRequest): Promise<void> {
  const { stages, capabilities, versions } = request;
  await tx
    .update(workers)
    .set({ stages, capabilities, versions, protocolVersion, lastSeenAt: new Date() })
    .where(eq(workers.id, worker.id));
}

async function replaceEarlierSession(
  tx: Tx,
  { worker }: WorkerCall,
  { session }: ClaimRequest,
): Promise<string[]> {
  const left = await tx
    .select()
    .from(runs)
    .where(and(eq(runs.workerId, worker.id), ne(runs.workerSession, session)))
    .for("update");
  for (const run of left) {
    const text = `The worker's process ended after step ${run.step}, and a new one asks for work.`;
    await loseLease(tx, run, { what: "workerReplaced", text });
  }
  return left.map(({ id }) => id);
}

async function findHeld(
  tx: Tx,
  { worker, leaseSeconds }: WorkerCall,
  { session }: ClaimRequest,
): Promise<RunRow | null> {
  const [held] = await tx
    .update(runs)
    .set({ leaseExpiresAt: secondsFromNow(leaseSeconds) })
    .where(and(eq(runs.workerId, worker.id), eq(runs.workerSession, session)))
    .returning();
  return held ?? null;
}

async function takeNext(
  tx: Tx,
  call: WorkerCall,
  request: ClaimRequest,
  touched: Set<string>,
): Promise<RunRow | null> {
  for (;;) {
    const run = await lockNext(tx, call, request);
    if (!run) return null;
    touched.add(run.id);
    if (await pauseIfBlocked(tx, run, call.dataFolder)) continue;
    return take(tx, run, call, request);
  }
}

/** What another worker is just taking is passed over, not waited for. */
async function lockNext(
  tx: Tx,
  { worker }: WorkerCall,
  { stages, capabilities }: ClaimRequest,
): Promise<RunRow | null> {
  const [run] = await tx
    .select()
    .from(runs)
    .where(
      and(
        eq(runs.status, "queued"),
        sql`${runs.stage} in ${stages}`,
        sql`coalesce(${runs.notBefore}, now()) <= now()`,
        sql`coalesce(${runs.requirements} ->> 'device', ${capabilities.device}) = ${capabilities.device}`,
        sql`coalesce((${runs.requirements} ->> 'minMemoryBytes')::bigint, 0) <= ${capabilities.memoryBytes}`,
        sql`coalesce(${runs.requirements} ->> 'workerId', ${worker.id}) = ${worker.id}`,
      ),
    )
    .orderBy(sql`${runs.priority} desc`, runs.queuedAt, runs.number)
    .limit(1)
    .for("update", { skipLocked: true });
  return run ?? null;
}

/** A run whose base or data went away while it waited says so instead of starting. */
async function pauseIfBlocked(tx: Tx, run: RunRow, dataFolder: string): Promise<boolean> {
  const inputs = { ...run, ...(await readInputIds(tx, run.id)), dataFolder };
  const obstacles = (await findObstacles(tx, inputs)).filter(
    // Erasing pauses a waiting run itself; one that waits again was resumed by a person who knew.
    ({ kind }) => kind !== "erased",
  );
  if (obstacles.length === 0) return false;
  const reason = `It cannot start. ${obstacles.map(({ text }) => text).join(" ")}`;
  await tx
    .update(runs)
    .set({ status: "paused", reason, changedBy: null, changedAt: null })
    .where(eq(runs.id, run.id));
  await appendTimeline(tx, run.id, [
    { kind: "state", payload: { status: "paused", actorId: null, workerId: null, reason } },
  ]);
  await notify(tx, { kind: "runPaused", runId: run.id, text: `Run ${run.number} is paused. ${reason}` });
  return true;
}

async function take(
  tx: Tx,
  run: RunRow,
  { worker, leaseSeconds }: WorkerCall,
  { session, capabilities }: ClaimRequest,
): Promise<RunRow> {
  const [taken] = await tx
    .update(runs)
    .set({
      status: "running",
      reason: null,
      workerId: worker.id,
      workerSession: session,
      leaseExpiresAt: secondsFromNow(leaseSeconds),
      fencing: run.fencing + 1,
      startedAt: run.startedAt ?? sql`now()`,
      config: pinThreads(run.config, capabilities.threads),
    })
    .where(eq(runs.id, run.id))
    .returning();
  if (!taken) throw new Error(`Run ${run.number} vanished while it was claimed.`);
  await appendTimeline(tx, run.id, [
    { kind: "state", payload: { status: "running", actorId: null, workerId: worker.id, reason: null } },
  ]);
  return taken;
}

/** Results repeat bit for bit only at the same number of threads: the first worker's number stays, wherever it goes on. */
function pinThreads(config: unknown, threads: number): Record<string, unknown> {
  const settings = { ...Object(config) };
  return { ...settings, threads: settings.threads ?? Math.min(mostThreads, threads) };
}

async function describeRun({ db, dataFolder, leaseSeconds }: WorkerCall, run: RunRow): Promise<RunOffer> {
  const datasets = await describeDatasets(db, run.id);
  const stateId = await findLastState(db, run.id);
  const bestId = stateId === null ? null : await findBest(db, run.id);
  const base = await describeCheckpoint(db, run.baseCheckpointId, dataFolder);
  const lineageBaseId = base && (await findLineageBaseId(db, base.id));
  const hasParent = isTrainable(run.stage) && stageSettings[run.stage].hasParent;
  return {
    id: run.id,
    number: run.number,
    name: run.name,
    stage: run.stage,
    fencing: run.fencing,
    leaseSeconds,
    heartbeatSeconds: leaseSeconds * heartbeatShare,
    nextSequence: run.lastSequence + 1,
    ...(await describeSuites(db, run)),
    facts: {
      run: run.id,
      parent: hasParent ? run.baseCheckpointId : null,
      datasetSha256: hashDatasets(datasets),
    },
    base,
    lineageBase: await describeCheckpoint(db, lineageBaseId, dataFolder),
    rewardModels: await describeRewardModels(db, run.id, dataFolder),
    datasets,
    resume: await describeCheckpoint(db, stateId, dataFolder),
    best: await describeCheckpoint(db, bestId === stateId ? null : bestId, dataFolder),
  };
}

async function describeCheckpoint(
  db: Db,
  checkpointId: string | null,
  dataFolder: string,
): Promise<CheckpointOffer | null> {
  return checkpointId === null ? null : toOffer(await locateFiles(db, checkpointId, dataFolder));
}

async function describeRewardModels(
  db: Db,
  runId: string,
  dataFolder: string,
): Promise<RunOffer["rewardModels"]> {
  const offers: RunOffer["rewardModels"] = [];
  for (const { checkpointId, role } of await readRunRewardModels(db, runId)) {
    const lineageBaseId = await findLineageBaseId(db, checkpointId);
    offers.push({
      role,
      checkpoint: toOffer(await locateFiles(db, checkpointId, dataFolder)),
      lineageBase: await describeCheckpoint(db, lineageBaseId, dataFolder),
    });
  }
  return offers;
}

async function describeDatasets(db: Db, runId: string): Promise<DatasetOffer[]> {
  const offers: DatasetOffer[] = [];
  for (const { datasetId, role } of await readRunDatasets(db, runId)) {
    const { name, kind, sha256, rowCount } = await readDataset(db, datasetId);
    if (sha256 === null) throw new Error(`Dataset ${datasetId} of run ${runId} is not sealed.`);
    offers.push({
      id: datasetId,
      name,
      kind,
      role,
      sha256,
      rowCount,
      ...(await measureLines(db, datasetId)),
    });
  }
  return offers;
}
