/** @file The suites of an evaluation that its worker does not have: uploaded ones and regression cases. */
import path from "node:path";
import { and, asc, desc, eq, inArray } from "drizzle-orm";
import { z } from "zod";
import { runSuites, runs, suites } from "@/drizzle/schema";
import { shippedSuites } from "@/model/eval/suites/shipped-suites";
import type { Db, Tx } from "../db/db";
import { isCaseSuite, listCaseSuites, writeCaseSuite } from "../domain/cases/case-suites";
import { suiteFiles, suiteFolder } from "../domain/evaluation/uploaded-suites";
import { AppError } from "../errors";
import { openFile } from "./file-response";
import { stageSettings } from "./stage-settings";
import { WorkerError } from "./worker-error";

const { suites: chosen, cases: asksCases } = stageSettings.eval.schema.shape;
const chosenSchema = z.object({ suites: chosen, cases: asksCases });

const isShipped = (name: string) => shippedSuites.some((each) => each === name);

/**
 * The uploaded suites that an evaluation names, by id: of one name the newest.
 * @throws {AppError} BAD_REQUEST for a suite that is not here, or where there is nothing to measure
 */
export async function findNamedSuites(db: Db, config: Record<string, unknown>): Promise<string[]> {
  const { suites: named, cases } = chosenSchema.parse(config);
  if (named?.length === 0 && (!cases || (await listCaseSuites(db)).length === 0))
    throw new AppError("BAD_REQUEST", "suites: none is chosen, and no regression case is pinned to rerun.");
  const others = [...new Set(named?.filter((name) => !isShipped(name)))];
  if (others.length === 0) return [];
  const rows = await db
    .select({ id: suites.id, name: suites.name })
    .from(suites)
    .where(inArray(suites.name, others))
    .orderBy(desc(suites.createdAt));
  return others.map((name) => {
    const found = rows.find((row) => row.name === name);
    if (found) return found.id;
    throw new AppError(
      "BAD_REQUEST",
      `suites: there is no suite “${name}” here; those that ship are ${shippedSuites.join(", ")}.`,
    );
  });
}

/** @throws {AppError} CONFLICT for one that was deleted meanwhile */
export async function nameSuites(tx: Tx, runId: string, suiteIds: readonly string[]): Promise<void> {
  if (suiteIds.length === 0) return;
  const there = await tx
    .select({ id: suites.id })
    .from(suites)
    .where(inArray(suites.id, [...suiteIds]))
    .for("share");
  if (there.length < suiteIds.length) throw new AppError("CONFLICT", "A suite of it was deleted just now.");
  await tx.insert(runSuites).values(suiteIds.map((suiteId) => ({ runId, suiteId })));
}

/** As a worker is told: what it has stays in the settings, the rest it fetches. */
export async function describeSuites(
  db: Db,
  run: { id: string; stage: string; config: unknown },
): Promise<{ config: Record<string, unknown>; suites: string[] }> {
  const config: Record<string, unknown> = { ...Object(run.config) };
  if (run.stage !== "eval") return { config, suites: [] };
  const { suites: named, cases } = chosenSchema.parse(config);
  const { cases: _, ...rest } = config;
  const uploaded = await db
    .select({ name: suites.name })
    .from(runSuites)
    .innerJoin(suites, eq(suites.id, runSuites.suiteId))
    .where(eq(runSuites.runId, run.id))
    .orderBy(asc(suites.name));
  return {
    config: { ...rest, suites: named === null ? null : named.filter(isShipped) },
    suites: [...uploaded.map(({ name }) => name), ...(cases ? await listCaseSuites(db) : [])],
  };
}

/**
 * One file of a suite, for the worker that holds the run.
 * @param rest `<name>/suite.json` or `<name>/items.jsonl`
 * @throws {WorkerError} notFound
 */
export async function openSuiteFile(
  db: Db,
  {
    runId,
    workerId,
    rest,
    dataFolder,
  }: { runId: string; workerId: string; rest: string; dataFolder: string },
): Promise<ReadableStream<Uint8Array> | string> {
  const [name = "", file = ""] = rest.split("/");
  const known = suiteFiles.find((each) => each === file);
  const [run] = await db
    .select()
    .from(runs)
    .where(and(eq(runs.id, runId), eq(runs.workerId, workerId)));
  const offered = run ? (await describeSuites(db, run)).suites : [];
  if (!known || !offered.includes(name))
    throw new WorkerError("notFound", `The run this worker holds needs no ${rest}.`);
  if (isCaseSuite(name)) return (await writeCaseSuite(db, name))[known];
  const [uploaded] = await db
    .select({ id: suites.id })
    .from(runSuites)
    .innerJoin(suites, eq(suites.id, runSuites.suiteId))
    .where(and(eq(runSuites.runId, runId), eq(suites.name, name)));
  if (!uploaded) throw new WorkerError("notFound", `There is no suite ${name}.`);
  const place = path.join(suiteFolder(dataFolder, uploaded.id), known);
  return openFile(place)(0, Number.POSITIVE_INFINITY);
}
