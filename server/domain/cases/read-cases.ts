/** @file Regression cases as the pages show them: all with their newest results, and one with its whole history. */
import { and, desc, eq, isNotNull, isNull, ne, sql } from "drizzle-orm";
import { checkpoints, evaluations, prompts, regressionCases, users } from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import { describeExpectation, type Expectation } from "@/model/eval/suites/case-check";
import type { Db } from "../../db/db";
import { liveChannel } from "../../generation/traffic-split";
import { findChannel } from "../promotion/promoting";
import { type CaseOutcome, type CaseResult, readCaseResults, readNewestResults } from "./case-results";
import { noCase } from "./pin-case";
import { isReadableCase } from "./usable-cases";

type Named = { id: string; name: string };

export type ListedCase = {
  id: string;
  number: number;
  title: string;
  kind: Expectation["kind"];
  source: "hand" | "suite" | "prompt";
  createdAt: Date;
  createdBy: string | null;
  archivedAt: Date | null;
  /** Its prompt may not be used now: it is not rerun, and not shown. */
  isWithdrawn: boolean;
  live: CaseOutcome | null;
  candidate: CaseOutcome | null;
};

export type CaseList = {
  cases: ListedCase[];
  live: Named | null;
  candidate: Named | null;
  /** Policies that could be the candidate, those with an evaluation first. */
  choices: Named[];
};

type ListQuery = { candidateId: string | null; isArchived: boolean; precision: EvalReport["precision"] };

/** @param candidateId null: the one that was evaluated last */
export async function listCases(
  db: Db,
  { candidateId, isArchived, precision }: ListQuery,
): Promise<CaseList> {
  const channel = await findChannel(db, liveChannel);
  const liveId = channel?.checkpointId ?? null;
  const policies = await listPolicies(db);
  const live = policies.find(({ id }) => id === liveId) ?? null;
  const choices = policies.filter(({ id }) => id !== liveId);
  const candidate =
    (candidateId === null ? choices[0] : choices.find(({ id }) => id === candidateId)) ?? null;
  const resultsOf = async (policy: Named | null) =>
    policy ? readNewestResults(db, { checkpointId: policy.id, precision }) : new Map<string, CaseResult>();
  const [ofLive, ofCandidate] = [await resultsOf(live), await resultsOf(candidate)];
  const rows = await db
    .select({
      id: regressionCases.id,
      number: regressionCases.number,
      title: regressionCases.title,
      kind: regressionCases.kind,
      source: regressionCases.source,
      createdAt: regressionCases.createdAt,
      createdBy: users.name,
      archivedAt: regressionCases.archivedAt,
      isReadable: isReadableCase,
    })
    .from(regressionCases)
    .leftJoin(users, eq(users.id, regressionCases.createdBy))
    .where(isArchived ? isNotNull(regressionCases.archivedAt) : isNull(regressionCases.archivedAt))
    .orderBy(desc(regressionCases.number));
  return {
    cases: rows.map(({ isReadable, title, ...row }) => ({
      ...row,
      title: isReadable ? title : "withdrawn by its owner",
      isWithdrawn: !isReadable,
      live: ofLive.get(row.id)?.outcome ?? null,
      candidate: ofCandidate.get(row.id)?.outcome ?? null,
    })),
    live,
    candidate,
    choices,
  };
}

async function listPolicies(db: Db): Promise<Named[]> {
  const evaluatedAt = sql`${sql`(select max(${evaluations.createdAt}) from ${evaluations}
    where ${evaluations.checkpointId} = ${checkpoints.id})`}`;
  return db
    .select({ id: checkpoints.id, name: checkpoints.name })
    .from(checkpoints)
    .where(and(isNull(checkpoints.deletedAt), ne(checkpoints.stage, "reward")))
    .orderBy(sql`${evaluatedAt} desc nulls last`, desc(checkpoints.createdAt));
}

export type CaseDetail = Omit<ListedCase, "live" | "candidate" | "isWithdrawn"> & {
  why: string;
  messages: { role: "system" | "user" | "assistant"; content: string }[];
  isSensitive: boolean;
  expects: Expectation;
  expectation: string;
  /** Newest first. */
  history: CaseResult[];
};

const mostHistory = 100;

/** @throws {AppError} NOT_FOUND, also where its owner has withdrawn it */
export async function readCase(db: Db, caseId: string): Promise<CaseDetail> {
  const [row] = await db
    .select({ own: regressionCases, prompt: prompts, createdBy: users.name })
    .from(regressionCases)
    .leftJoin(prompts, eq(prompts.id, regressionCases.promptId))
    .leftJoin(users, eq(users.id, regressionCases.createdBy))
    .where(and(eq(regressionCases.id, caseId), isReadableCase));
  if (!row) throw noCase();
  const { own, prompt, createdBy } = row;
  const { id, number, title, why, kind, source, createdAt, archivedAt } = own;
  // Written by `pinCase` alone.
  const expects = { kind, ...Object(own.expects) } as Expectation;
  const where = eq(regressionCases.id, caseId);
  return {
    ...{ id, number, title, why, kind, source, createdAt, createdBy, archivedAt, expects },
    messages: prompt?.messages ?? own.messages,
    isSensitive: prompt?.isSensitive ?? false,
    expectation: describeExpectation(expects),
    history: await readCaseResults(db, { where, limit: mostHistory }),
  };
}
