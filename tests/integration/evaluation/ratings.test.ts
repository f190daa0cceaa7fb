/** @file Helpful, honest, harmless and flags of two policies: what counts, whose prompts, who may look, and what stands behind. */
import { eq, inArray } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { prompts, rankedResponses, rankings, responses } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { addPolicy } from "../../helpers/evaluating";
import { makeBatch } from "../../helpers/labeling";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { callerFor, makePerson } from "../../helpers/test-context";
import { testDatabase } from "../../helpers/test-database";

/** Six prompts with an answer of each policy, all rated by one labeler: the candidate's better. */
async function rated(db: Db, dataFolder: string) {
  const [candidateId, opponentId] = [
    await addPolicy(db, dataFolder, "tuned-8"),
    await addPolicy(db, dataFolder, "tuned-7"),
  ];
  const { tasks } = await makeBatch(db, { tasks: 6, k: 4, hasRatings: true });
  const { id: labelerId } = await makePerson(db, { role: "labeler" });
  for (const [i, { taskId, responseIds }] of tasks.entries()) {
    const [row] = await db
      .insert(rankings)
      .values({
        taskId,
        labelerId,
        pseudonym: "heron-1",
        mode: "board",
        guidelinesVersion: 1,
        responseOrder: responseIds,
      })
      .returning();
    for (const [at, responseId] of responseIds.slice(0, 2).entries()) {
      const checkpointId = at === 0 ? candidateId : opponentId;
      await db.update(responses).set({ checkpointId, source: "sampled" }).where(eq(responses.id, responseId));
      await db.insert(rankedResponses).values({
        rankingId: row?.id ?? "",
        responseId,
        rank: at + 1,
        helpful: at === 0 ? 6 + (i % 2) : 2 + (i % 2),
        harmless: at === 0 ? 7 : null,
        flags: at === 1 && i === 0 ? ["hallucination"] : [],
      });
    }
  }
  return { candidateId, opponentId, tasks };
}

describe("ratings", () => {
  it("are means by policy with intervals over prompts, flags their rates; withdrawn prompts leave both at once", async () => {
    await using t = await testDatabase();
    await using folder = await temporaryFolder();
    const { candidateId, opponentId, tasks } = await rated(t.db, folder.path);
    const auditor = callerFor(t.db, await makePerson(t.db, { grants: ["auditor"] }));
    const read = () => auditor.evaluations.ratings({ candidateId, opponentId });
    const { ratings, flags } = await read();
    expect(ratings.map(({ name }) => name)).toEqual(["helpful", "honest", "harmless"]);
    expect(ratings[0]).toMatchObject({
      candidate: { mean: 6.5, n: 6, prompts: 6 },
      opponent: { mean: 2.5, n: 6, prompts: 6 },
    });
    const low = ratings[0]?.candidate?.low ?? 0;
    expect(low).toBeGreaterThanOrEqual(6);
    expect(low).toBeLessThan(6.5);
    // Nobody rated it, and of one policy alone.
    expect(ratings[1]).toMatchObject({ candidate: null, opponent: null });
    expect(ratings[2]).toMatchObject({ candidate: { mean: 7 }, opponent: null });
    expect(flags).toMatchObject([
      { name: "hallucination", candidate: { mean: 0 }, opponent: { mean: 1 / 6 } },
    ]);
    const texts = await auditor.evaluations.ratedTexts({ checkpointId: opponentId, figure: "helpful" });
    expect(texts.map(({ rating }) => rating)).toEqual([2, 2, 2, 3, 3, 3]);
    const flagged = { checkpointId: opponentId, figure: "hallucination" } as const;
    expect(await auditor.evaluations.ratedTexts(flagged)).toMatchObject([
      { labeler: "heron-1", rating: null },
    ]);

    const gone = tasks.slice(0, 2).map(({ promptId }) => promptId);
    await t.db.update(prompts).set({ status: "reported" }).where(inArray(prompts.id, gone));
    const left = await read();
    expect(left.ratings[0]).toMatchObject({ candidate: { n: 4, low: null, high: null } });
    expect(left.flags).toEqual([]);
    expect(await auditor.evaluations.ratedTexts(flagged)).toEqual([]);
  });

  it("are for admins and auditors", async () => {
    await using t = await testDatabase();
    const pair = { candidateId: "a".repeat(64), opponentId: "b".repeat(64) };
    for (const role of ["user", "labeler"] as const) {
      const call = callerFor(t.db, await makePerson(t.db, { role }));
      await expect(call.evaluations.ratings(pair)).rejects.toMatchObject({ code: "FORBIDDEN" });
      const asked = { checkpointId: pair.candidateId, figure: "honest" } as const;
      await expect(call.evaluations.ratedTexts(asked)).rejects.toMatchObject({ code: "FORBIDDEN" });
    }
  });
});
