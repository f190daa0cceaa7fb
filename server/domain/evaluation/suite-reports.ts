/** @file Evaluations as pages show them: figures, differences from what the checkpoint came from and from what is live, transcripts. */
import { and, asc, desc, eq, inArray, type SQL, sql } from "drizzle-orm";
import {
  channels,
  checkpoints,
  evaluations,
  evaluationTranscripts,
  regressionCases,
  runs,
} from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import { figureNames, isLowerBetter } from "@/model/eval/suites/score-item";
import {
  compareResults,
  type SuiteDelta,
  type SuiteResult,
  type SuiteVariant,
  type Transcript,
} from "@/model/eval/suites/suite-result";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { caseSuiteNames } from "../cases/case-suites";
import { isReadableCase } from "../cases/usable-cases";

type Measured = {
  run: { id: string; number: number };
  checkpoint: { id: string; name: string; stage: string };
  /** Whether people talk to it now. */
  isLive: boolean;
  madeAt: Date;
  precision: EvalReport["precision"];
};

export type EvaluationView = Measured & {
  suites: (Omit<SuiteResult, "items"> & { itemCount: number })[];
  parity: EvalReport["parity"];
  /**
   * Newest evaluations, in the same form, of the checkpoints it came from, the oldest first, and of the live one: their
   * figures, and by how much this one is higher.
   */
  against: (Measured & {
    /** Whether this one came from it; else it is there because it is live. */
    isForebear: boolean;
    suites: Pick<SuiteResult, "suite" | "variant" | "figures">[];
    deltas: SuiteDelta[];
  })[];
};

type Row = Measured & { report: EvalReport };

/** Of a run. @returns null: it has measured nothing yet */
export async function readEvaluation(db: Db, { runId }: { runId: string }): Promise<EvaluationView | null> {
  const [own] = await findRows(db, eq(evaluations.runId, runId), 1);
  return own ? describe(db, own) : null;
}

/** The newest one of a checkpoint; null: there is none. */
export async function readLastEvaluation(
  db: Db,
  { checkpointId }: { checkpointId: string },
): Promise<EvaluationView | null> {
  const [own] = await findRows(db, and(eq(evaluations.checkpointId, checkpointId), hasSuites), 1);
  return own ? describe(db, own) : null;
}

export type MeasuredSuite = {
  /** Names the measurement: the run, and when it was told, since a run that goes on tells again. */
  source: string;
  result: SuiteResult;
};

/** Older reports are not looked at. */
const mostReports = 20;

/**
 * What is known of a checkpoint in one form: of each suite (by its files) and way of asking the newest of the results with
 * the most items, so that a look at a few items hides none at all; and the newest parity. Newest reports first.
 */
export async function readMeasured(
  db: Db,
  { checkpointId, precision }: { checkpointId: string; precision: EvalReport["precision"] },
): Promise<{ suites: MeasuredSuite[]; parity: EvalReport["parity"] }> {
  const ofCheckpoint = and(eq(evaluations.checkpointId, checkpointId), isOfForm(precision));
  const rows = await findRows(db, and(ofCheckpoint, hasSuites), mostReports);
  const fullest = new Map<string, MeasuredSuite>();
  for (const { run, madeAt, report } of rows) {
    for (const result of report.suites) {
      const key = `${result.suite} ${result.variant} ${result.sha256}`;
      const known = fullest.get(key);
      if (known && known.result.items.length >= result.items.length) continue;
      fullest.set(key, { source: `${run.id} ${madeAt.getTime()}`, result });
    }
  }
  const isOfParity = sql`${evaluations.report} -> 'parity' ->> 'precision' = ${precision}`;
  const [withParity] = await findRows(db, and(ofCheckpoint, isOfParity), 1);
  return { suites: [...fullest.values()], parity: withParity?.report.parity ?? null };
}

const caseNames = sql.join(
  caseSuiteNames.map((name) => sql`${name}`),
  sql`, `,
);

/** Not one that asked the pinned cases alone: those have a page of their own, and would hide what the suites said. */
const hasSuites = sql`(
  ${evaluations.report} -> 'suites' = '[]'::jsonb or exists (
    select from jsonb_array_elements(${evaluations.report} -> 'suites') measured
    where measured ->> 'suite' not in (${caseNames})
  )
)`;

const isOfForm = (precision: EvalReport["precision"]) =>
  sql`${evaluations.report} ->> 'precision' = ${precision}`;

async function describe(db: Db, own: Row): Promise<EvaluationView> {
  const forebears = await findAncestors(db, own.checkpoint.id);
  const others = await findOthers(db, own, forebears);
  const { report, ...measured } = own;
  return {
    ...measured,
    suites: report.suites.map(({ items, ...figures }) => ({ ...figures, itemCount: items.length })),
    parity: report.parity,
    against: others.map(({ report: theirs, ...other }) => ({
      ...other,
      isForebear: forebears.includes(other.checkpoint.id),
      suites: theirs.suites.map(({ suite, variant, figures }) => ({ suite, variant, figures })),
      deltas: compareResults(theirs.suites, report.suites),
    })),
  };
}

/** One each: its newest in the same form. */
async function findOthers(db: Db, own: Row, ancestors: readonly string[]): Promise<Row[]> {
  const live = await db.select({ id: channels.checkpointId }).from(channels).where(eq(channels.name, "live"));
  const wanted = [...new Set([...ancestors, ...live.map(({ id }) => id)])].filter(
    (id) => id !== own.checkpoint.id,
  );
  if (wanted.length === 0) return [];
  const newest = sql`${evaluations.runId} = (
    select newer.run_id from ${evaluations} newer
    where newer.checkpoint_id = ${evaluations.checkpointId} and newer.report ->> 'precision' = ${own.precision}
      and exists (
        select from jsonb_array_elements(newer.report -> 'suites') measured
        where measured ->> 'suite' not in (${caseNames})
      )
    order by newer.created_at desc limit 1)`;
  const rows = await findRows(db, and(inArray(evaluations.checkpointId, wanted), newest), wanted.length);
  return wanted.flatMap((id) => rows.find(({ checkpoint }) => checkpoint.id === id) ?? []);
}

/** The oldest first, itself left out. */
async function findAncestors(db: Db, checkpointId: string): Promise<string[]> {
  const found = await db.execute<{ id: string }>(sql`
    with recursive line(id, parent_id, depth) as (
      select id, parent_id, 0 from ${checkpoints} where id = ${checkpointId}
      union all
      select c.id, c.parent_id, line.depth + 1 from ${checkpoints} c join line on c.id = line.parent_id
      where line.depth < 50
    )
    select id from line where depth > 0 order by depth desc`);
  return found.rows.map(({ id }) => id);
}

/** Newest first. */
async function findRows(db: Db, where: SQL | undefined, limit: number): Promise<Row[]> {
  const rows = await db
    .select({
      runId: evaluations.runId,
      number: runs.number,
      checkpointId: checkpoints.id,
      name: checkpoints.name,
      stage: checkpoints.stage,
      live: channels.name,
      madeAt: evaluations.createdAt,
      report: evaluations.report,
    })
    .from(evaluations)
    .innerJoin(runs, eq(runs.id, evaluations.runId))
    .innerJoin(checkpoints, eq(checkpoints.id, evaluations.checkpointId))
    .leftJoin(channels, and(eq(channels.checkpointId, checkpoints.id), eq(channels.name, "live")))
    .where(where)
    .orderBy(desc(evaluations.createdAt))
    .limit(limit);
  return rows.map(({ runId, number, checkpointId, name, stage, live, madeAt, report: stored }) => {
    // Written by `storeReport` alone, from what the protocol's schema has read.
    const report = stored as EvalReport;
    return {
      run: { id: runId, number },
      checkpoint: { id: checkpointId, name, stage },
      isLive: live !== null,
      madeAt,
      precision: report.precision,
      report,
    };
  });
}

/** Of a case the words of somebody who has withdrawn them are not shown. */
const isReadable = sql`${sql`(${evaluationTranscripts.caseId} is null or exists (
  select 1 from ${regressionCases}
  where ${regressionCases.id} = ${evaluationTranscripts.caseId} and ${isReadableCase}))`}`;

export type ShownTranscript = Omit<Transcript, "suite" | "variant"> & {
  position: number;
  /** The regression case that it is. */
  caseId: string | null;
};

/** The worst first. @throws {AppError} NOT_FOUND for a run that has measured no such suite */
export async function readTranscripts(
  db: Db,
  { runId, suite, variant, limit }: { runId: string; suite: string; variant: SuiteVariant; limit: number },
): Promise<{ transcripts: ShownTranscript[]; total: number }> {
  const [own] = await findRows(db, eq(evaluations.runId, runId), 1);
  const result = own?.report.suites.find((each) => each.suite === suite && each.variant === variant);
  if (!result) throw new AppError("NOT_FOUND", "This run has measured no such suite.");
  const [main] = figureNames[result.metric];
  const value = sql`(${evaluationTranscripts.transcript} -> 'values' ->> ${main})::float8`;
  const rows = await db
    .select({
      position: evaluationTranscripts.position,
      caseId: evaluationTranscripts.caseId,
      transcript: evaluationTranscripts.transcript,
    })
    .from(evaluationTranscripts)
    .where(
      and(
        eq(evaluationTranscripts.runId, runId),
        eq(evaluationTranscripts.suite, suite),
        eq(evaluationTranscripts.variant, variant),
        isReadable,
      ),
    )
    .orderBy(isLowerBetter(result.metric) ? desc(value) : asc(value), evaluationTranscripts.position)
    .limit(limit);
  return {
    transcripts: rows.map(({ position, caseId, transcript }) => ({
      ...(transcript as Omit<ShownTranscript, "position" | "caseId">),
      position,
      caseId,
    })),
    total: result.items.length,
  };
}
