/** @file What a person is told of their feedback, from "not used" to "live", and what they are never told. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  batches,
  channels,
  checkpoints,
  conversations,
  datasets,
  guidelines,
  prompts,
  rankings,
  rankingTasks,
  runDatasets,
  runs,
  snapshotRankings,
} from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { collectPrompts } from "@/server/domain/prompts/collect-prompts";
import { reportPrompt } from "@/server/domain/prompts/steer-prompts";
import { giveThumb, makeCheckpoint, makeExchange, makeOwner } from "../../helpers/prompting";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

async function one<T>(rows: Promise<T[]>): Promise<T> {
  const [row] = await rows;
  if (!row) throw new Error("Nothing was stored.");
  return row;
}

async function rank(db: Db, promptId: string, labelerId: string): Promise<string> {
  await db.insert(guidelines).values({ version: 1, text: "" }).onConflictDoNothing();
  const batch = await one(
    db
      .insert(batches)
      .values({ name: "b", task: "ranking", status: "open", k: 4, guidelinesVersion: 1 })
      .returning(),
  );
  const task = await one(
    db
      .insert(rankingTasks)
      .values({ batchId: batch.id, promptId, status: "done", openPlaces: 0, position: 0 })
      .returning(),
  );
  const ranking = await one(
    db
      .insert(rankings)
      .values({
        taskId: task.id,
        labelerId,
        pseudonym: "quiet-heron",
        mode: "board",
        responseOrder: [],
        guidelinesVersion: 1,
      })
      .returning(),
  );
  return ranking.id;
}

/** A sealed snapshot that holds the ranking, and a reward run over it. */
async function snapshot(db: Db, rankingId: string): Promise<{ runId: string; sealedAt: Date }> {
  const datasetId = randomUUID();
  const sealedAt = new Date();
  await db.insert(datasets).values({
    id: datasetId,
    name: "r-1",
    kind: "rankings",
    source: "product",
    sha256: "d".repeat(64),
    sealedAt,
  });
  await db.insert(snapshotRankings).values({ datasetId, rankingId });
  const base = await makeCheckpoint(db);
  const run = await one(
    db
      .insert(runs)
      .values({ number: 1, name: "rm", stage: "reward", config: {}, baseCheckpointId: base })
      .returning(),
  );
  await db.insert(runDatasets).values({ runId: run.id, datasetId, role: "data", position: 0 });
  return { runId: run.id, sealedAt };
}

/** The reward model of that run, and a policy that PPO made with it, live. */
async function makeLive(db: Db, rewardRunId: string): Promise<Date> {
  const reward = "e".repeat(64);
  const policy = "f".repeat(64);
  const columns = { folder: "x", manifest: {}, sizeBytes: 1, step: 1 };
  await db
    .insert(checkpoints)
    .values({ id: reward, name: "rm", stage: "reward", runId: rewardRunId, ...columns });
  const ppo = await one(
    db
      .insert(runs)
      .values({
        number: 2,
        name: "ppo",
        stage: "ppo",
        config: { reward: { model: reward } },
        baseCheckpointId: await makeCheckpoint(db),
      })
      .returning(),
  );
  await db.insert(checkpoints).values({ id: policy, name: "tuned", stage: "ppo", runId: ppo.id, ...columns });
  const changedAt = new Date(Date.now() - 5000);
  await db.insert(channels).values({ name: "live", checkpointId: policy, changedAt });
  return changedAt;
}

describeEachDatabase("the way of feedback", (home) => {
  it("is told step by step to whoever gave it", async () => {
    await using t = await testDatabase(home);
    const [ann, labeler] = [
      await makeOwner(t.db),
      await makePerson(t.db, { role: "labeler", name: "Lab Eler" }),
    ];
    const call = callerFor(t.db, ann);
    const { questionId, conversationId, answerIds } = await makeExchange(t.db, {
      userId: ann.id,
      question: "Where do terns go?",
      conversation: { consent: false },
    });
    await giveThumb(t.db, { userId: ann.id, messageId: answerIds[0] ?? "", thumb: -1 });
    const read = async () => {
      const { feedback } = await call.account.feedbackJourney({});
      expect(feedback).toHaveLength(1);
      return feedback[0];
    };
    expect(await read()).toMatchObject({
      stage: "notUsed",
      question: "Where do terns go?",
      thumb: -1,
      conversationId,
    });
    await t.db.update(conversations).set({ consent: null }).where(eq(conversations.id, conversationId));
    expect(await read()).toMatchObject({ stage: "waiting" });
    await collectPrompts(t.db, { actorId: null });
    expect(await read()).toMatchObject({ stage: "queued", rankings: 0 });
    const prompt = await one(t.db.select().from(prompts).where(eq(prompts.messageId, questionId)));
    await reportPrompt(t.db, { promptId: prompt.id, actorId: labeler.id, reason: "other" });
    expect(await read()).toMatchObject({ stage: "leftOut", leftOutBecause: "reported" });
    await t.db.update(prompts).set({ status: "ready" }).where(eq(prompts.id, prompt.id));
    const rankingId = await rank(t.db, prompt.id, labeler.id);
    expect(await read()).toMatchObject({ stage: "ranked", rankings: 1 });
    const { runId, sealedAt } = await snapshot(t.db, rankingId);
    expect(await read()).toMatchObject({ stage: "inSnapshot", snapshotAt: sealedAt, liveSince: null });
    const liveSince = await makeLive(t.db, runId);
    const told = await read();
    expect(told).toMatchObject({ stage: "live", liveSince });
    for (const secret of [labeler.id, "Lab Eler", "quiet-heron"])
      expect(JSON.stringify(told)).not.toContain(secret);
    // What was made of it stays true after a no.
    await t.db.update(conversations).set({ consent: false }).where(eq(conversations.id, conversationId));
    expect(await read()).toMatchObject({ stage: "live" });
  });

  it("names the rule that left a question out, comes by page, and shows nobody else's", async () => {
    await using t = await testDatabase(home);
    const [ann, bob] = [await makeOwner(t.db), await makeOwner(t.db)];
    for (const [person, question] of [
      [bob, "The same question"],
      [ann, "the same question"],
      [ann, "Another one"],
    ] as const) {
      const { answerIds } = await makeExchange(t.db, { userId: person.id, question });
      await giveThumb(t.db, { userId: person.id, messageId: answerIds[0] ?? "", thumb: 1 });
      await collectPrompts(t.db, { actorId: null });
    }
    const call = callerFor(t.db, ann);
    const first = await call.account.feedbackJourney({ limit: 1 });
    expect(first).toMatchObject({ feedback: [{ question: "Another one", stage: "queued" }], nextCursor: 1 });
    const second = await call.account.feedbackJourney({ limit: 1, cursor: first.nextCursor });
    expect(second).toMatchObject({
      feedback: [{ question: "the same question", stage: "leftOut", leftOutBecause: "duplicate" }],
      nextCursor: null,
    });
  });
});
