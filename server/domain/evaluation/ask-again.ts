/** @file Pairs that a judge elsewhere could not judge, put to it once more: nonsense and limits of length may have passed. */
import { and, eq, inArray, isNotNull, ne, sql } from "drizzle-orm";
import { batches, evaluationJudges, judgments } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { appendAudit } from "../audit";
import { ofPair, type PolicyPair } from "./policy-pair";

/** In open evaluations of the two. @returns how many wait again */
export async function askAgain(
  db: Db,
  { name, actorId, ...pair }: PolicyPair & { name: string; actorId: string },
): Promise<number> {
  return db.transaction(async (tx) => {
    const judges = tx
      .select({ id: evaluationJudges.id })
      .from(evaluationJudges)
      .innerJoin(batches, eq(batches.id, evaluationJudges.batchId))
      .where(
        and(
          ofPair(pair),
          ne(batches.status, "closed"),
          eq(evaluationJudges.judge, "endpoint"),
          eq(evaluationJudges.judgeName, name),
        ),
      );
    const struckOff = await tx
      .delete(judgments)
      .where(and(inArray(judgments.judgeId, judges), isNotNull(judgments.fault)))
      .returning({ one: sql`1` });
    if (struckOff.length > 0) {
      const { candidateId: candidate, opponentId: opponent } = pair;
      await appendAudit(tx, {
        actorId,
        action: "evaluation.askedAgain",
        subject: name,
        details: { candidate, opponent, pairs: struckOff.length },
      });
    }
    return struckOff.length;
  });
}
