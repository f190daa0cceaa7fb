/** @file How far one labeler agrees with others and with oneself, for that labeler to see: shares only, never whose. */
import { eq } from "drizzle-orm";
import { labelers } from "@/drizzle/schema";
import { labelersOf, meetingsBetween, meetingsWithOneself, tieRules } from "@/model/eval/agreement";
import type { Db } from "../../db/db";
import { type Figure, figureOf } from "./figure";
import { readRankingsAround } from "./read-rankings";

export type OwnShare = {
  share: number;
  /** 95 %. */
  low: number;
  high: number;
  /** Pairs of responses that count. */
  n: number;
  tasks: number;
  tieRuleText: string;
};

export type OwnAgreement = {
  /** With the other labelers of the same tasks. */
  agreement: OwnShare | null;
  /** With oneself, on tasks that came again after weeks. */
  selfAgreement: OwnShare | null;
};

const tieRule = "leaveOut";

/**
 * Null where too little is ranked for an interval. It is not told of fewer tasks than that: from the figure of one task a
 * labeler could read how others ranked it, and redo their own.
 */
export async function readOwnAgreement(db: Db, labelerId: string): Promise<OwnAgreement> {
  const [self] = await db
    .select({ pseudonym: labelers.pseudonym })
    .from(labelers)
    .where(eq(labelers.userId, labelerId));
  if (!self) return { agreement: null, selfAgreement: null };
  const about = self.pseudonym;
  const { first, repeated } = await readRankingsAround(db, labelerId);
  const withOthers = meetingsBetween(first).filter((meeting) => labelersOf(meeting).includes(about));
  return {
    agreement: shareOf(figureOf(withOthers, { tieRule, about })),
    selfAgreement: shareOf(figureOf(meetingsWithOneself(repeated), { tieRule, unit: "tasks" })),
  };
}

/** Tasks behind a figure that a labeler may see: below it single rankings of others show through. */
const fewestTasks = 5;

function shareOf(figure: Figure | null): OwnShare | null {
  if (!figure || figure.low === null || figure.high === null) return null;
  if (figure.tasks < fewestTasks) return null;
  const { share, low, high, pairs, tasks } = figure;
  return { share, low, high, n: pairs, tasks, tieRuleText: tieRules[tieRule] };
}
