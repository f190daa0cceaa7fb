/** @file Reward models and what is known of them: the report of their run, and the newest one of this server. */
import path from "node:path";
import { and, desc, eq, isNull } from "drizzle-orm";
import { checkpoints, rewardReports, runs, users } from "@/drizzle/schema";
import { CorruptFileError } from "@/model/checkpoint/errors";
import { readRewardReport, readRewardTrials } from "@/model/eval/reward/read-report";
import { type RewardReport, rewardReportSchema } from "@/model/eval/reward/report";
import type { RewardTrials } from "@/model/eval/reward/trials";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { type ExampleTexts, readExampleTexts } from "./example-texts";

export type RewardModelSummary = {
  id: string;
  name: string;
  createdAt: Date;
  run: { id: string; number: number; step: number; isBest: boolean } | null;
  /** Of the newest report; null where it was never measured. */
  measured:
    | (Pick<RewardReport, "warnings"> & {
        accuracy: RewardReport["main"]["accuracy"];
        longerWins: RewardReport["main"]["accuracy"];
        /** null: not probed. */
        passesProbes: boolean | null;
        at: Date;
      })
    | null;
};

export type ReportView = {
  /** `run`: measured when it was trained, on what its run held out · `server`: later, on this server's rankings. */
  origin: "run" | "server";
  at: Date;
  /** Prompts left out of a server's, for the run had them. */
  leftOut: number;
  by: string | null;
  report: RewardReport;
  /** Beside `report.disagreements`. */
  texts: (ExampleTexts | null)[];
};

export type RewardModelDetail = RewardModelSummary & {
  /** The server's first. */
  reports: ReportView[];
  /** What its run said of its data before it trained; null where it said nothing. */
  trials: RewardTrials | null;
  /** Why what the run left cannot be shown; null where it can, or where there is nothing. */
  problem: string | null;
};

const columns = {
  id: checkpoints.id,
  name: checkpoints.name,
  stage: checkpoints.stage,
  folder: checkpoints.folder,
  createdAt: checkpoints.createdAt,
  runId: checkpoints.runId,
  runNumber: runs.number,
  step: checkpoints.step,
  isBest: checkpoints.isBest,
};

/** Newest first, without those whose files were deleted. */
export async function listRewardModels(db: Db, dataFolder: string): Promise<RewardModelSummary[]> {
  const rows = await db
    .select(columns)
    .from(checkpoints)
    .leftJoin(runs, eq(runs.id, checkpoints.runId))
    .where(and(eq(checkpoints.stage, "reward"), isNull(checkpoints.deletedAt)))
    .orderBy(desc(checkpoints.createdAt));
  return Promise.all(
    rows.map(async (row) => {
      const [own, measured] = [await readRunReport(dataFolder, row.folder), await readNewest(db, row.id)];
      return summarise(row, measured?.report ?? own.report);
    }),
  );
}

/** @throws {AppError} NOT_FOUND, also for a checkpoint of another stage */
export async function readRewardModel(
  db: Db,
  { checkpointId, dataFolder }: { checkpointId: string; dataFolder: string },
): Promise<RewardModelDetail> {
  const [row] = await db
    .select(columns)
    .from(checkpoints)
    .leftJoin(runs, eq(runs.id, checkpoints.runId))
    .where(and(eq(checkpoints.id, checkpointId), eq(checkpoints.stage, "reward")));
  if (!row) throw new AppError("NOT_FOUND", "There is no such reward model.");
  const own = await readRunReport(dataFolder, row.folder);
  const tried = await readRunTrials(dataFolder, row.folder);
  const measured = await readNewest(db, checkpointId);
  const reports = [
    ...(measured ? [{ origin: "server" as const, ...measured }] : []),
    ...(own.report
      ? [
          {
            origin: "run" as const,
            at: row.createdAt,
            leftOut: 0,
            by: null,
            report: own.report,
          },
        ]
      : []),
  ];
  return {
    ...summarise(row, reports[0]?.report ?? null),
    reports: await Promise.all(
      reports.map(async (view) => ({
        ...view,
        texts: await readExampleTexts(db, view.report.disagreements),
      })),
    ),
    trials: tried.report,
    problem: own.problem ?? tried.problem,
  };
}

/**
 * Whether PPO may use it without asking: its newest report, if there is one, and the probes it failed in it.
 * @returns null where it was never probed
 */
export async function readFailedProbes(
  db: Db,
  { checkpointId, dataFolder }: { checkpointId: string; dataFolder: string },
): Promise<string[] | null> {
  const { reports } = await readRewardModel(db, { checkpointId, dataFolder });
  const probes = reports.find(({ report }) => report.probes !== null)?.report.probes;
  return probes ? probes.kinds.filter(({ passes }) => !passes).map(({ kind }) => kind) : null;
}

type Row = {
  id: string;
  name: string;
  createdAt: Date;
  runId: string | null;
  runNumber: number | null;
  step: number | null;
  isBest: boolean;
};

function summarise(row: Row, report: RewardReport | null): RewardModelSummary {
  const { id, name, createdAt, runId, runNumber, step, isBest } = row;
  return {
    id,
    name,
    createdAt,
    run:
      runId === null || runNumber === null ? null : { id: runId, number: runNumber, step: step ?? 0, isBest },
    measured: report && {
      warnings: report.warnings,
      accuracy: report.main.accuracy,
      longerWins: report.main.length.longerWins,
      passesProbes: report.probes?.passes ?? null,
      at: report.madeAt === null ? createdAt : new Date(report.madeAt),
    },
  };
}

type Kept<T> = { report: T | null; problem: string | null };

const readRunReport = (dataFolder: string, folder: string) =>
  explainCorrupt<RewardReport>(readRewardReport(path.resolve(dataFolder, folder)));
const readRunTrials = (dataFolder: string, folder: string) =>
  explainCorrupt<RewardTrials>(readRewardTrials(path.resolve(dataFolder, folder)));

async function explainCorrupt<T>(reading: Promise<T | null>): Promise<Kept<T>> {
  try {
    return { report: await reading, problem: null };
  } catch (error) {
    if (error instanceof CorruptFileError) return { report: null, problem: error.message };
    throw error;
  }
}

async function readNewest(db: Db, checkpointId: string) {
  const [row] = await db
    .select({
      report: rewardReports.report,
      leftOut: rewardReports.leftOut,
      at: rewardReports.createdAt,
      by: users.name,
    })
    .from(rewardReports)
    .leftJoin(users, eq(users.id, rewardReports.createdBy))
    .where(eq(rewardReports.checkpointId, checkpointId))
    .orderBy(desc(rewardReports.createdAt))
    .limit(1);
  return row ? { ...row, report: rewardReportSchema.parse(row.report) } : null;
}
