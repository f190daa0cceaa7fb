/** @file Lineage both ways: what taught a policy, in numbers; what a ranking shaped; what was taken back since. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  batches,
  channels,
  checkpoints,
  conversations,
  datasetRows,
  datasets,
  guidelines,
  prompts,
  rankings,
  rankingTasks,
  runDatasets,
  runRewardModels,
  runs,
  snapshotRankings,
} from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { readUpbringing } from "@/server/domain/lineage/upbringing";
import { collectPrompts } from "@/server/domain/prompts/collect-prompts";
import { giveThumb, makeCheckpoint, makeExchange, makeOwner } from "../../helpers/prompting";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const columns = { folder: "x", manifest: {}, sizeBytes: 1, step: 1 };
const id = (letter: string) => letter.repeat(64);

async function first<T>(rows: Promise<T[]>): Promise<T> {
  const [row] = await rows;
  if (!row) throw new Error("Nothing was stored.");
  return row;
}

/** One task, ranked by so many labelers under two versions of the instructions. */
async function ranked(
  db: Db,
  promptId: string,
  labelers: number,
): Promise<{ taskId: string; rankingIds: string[] }> {
  await db.insert(guidelines).values([1, 2].map((version) => ({ version, text: "" })));
  const batch = await first(
    db
      .insert(batches)
      .values({ name: "b", task: "ranking", status: "open", k: 4, guidelinesVersion: 2 })
      .returning(),
  );
  const task = await first(
    db
      .insert(rankingTasks)
      .values({ batchId: batch.id, promptId, status: "done", openPlaces: 0, position: 0 })
      .returning(),
  );
  const rankingIds: string[] = [];
  for (let i = 0; i < labelers; i++) {
    const { id: labelerId } = await makePerson(db, { role: "labeler" });
    const made = {
      taskId: task.id,
      labelerId,
      pseudonym: `heron-${i}`,
      mode: "board" as const,
      responseOrder: [],
    };
    rankingIds.push(
      (
        await first(
          db
            .insert(rankings)
            .values({ ...made, guidelinesVersion: 1 + (i % 2) })
            .returning(),
        )
      ).id,
    );
  }
  return { taskId: task.id, rankingIds };
}

/** Rankings → snapshot → reward model → policy by PPO, live; beside it a policy that the reward model only judged. */
async function lineage(db: Db, rankingIds: readonly string[]) {
  const base = await makeCheckpoint(db);
  const datasetId = randomUUID();
  const sealed = {
    name: "secret name",
    kind: "rankings",
    source: "product",
  } as const;
  await db.insert(datasets).values({ id: datasetId, rowCount: 2, ...sealed });
  await db
    .insert(datasetRows)
    .values(
      [0, 1].map((position) => ({ datasetId, position, hash: `${position}`.repeat(64), content: "{}" })),
    );
  await db.update(datasets).set({ sha256: id("d"), sealedAt: new Date() });
  await db.insert(snapshotRankings).values(rankingIds.map((rankingId) => ({ datasetId, rankingId })));
  const newRun = async (number: number, stage: "reward" | "ppo") =>
    (
      await first(
        db
          .insert(runs)
          .values({ number, name: stage, stage, config: {}, baseCheckpointId: base })
          .returning(),
      )
    ).id;
  const made = async (letter: string, name: string, stage: "reward" | "ppo", runId: string) =>
    db.insert(checkpoints).values({ id: id(letter), name, stage, runId, parentId: base, ...columns });
  const reward = await newRun(12, "reward");
  await db.insert(runDatasets).values({ runId: reward, datasetId, role: "data", position: 0 });
  await made("a", "rm-9", "reward", reward);
  const [ppo, judged] = [await newRun(31, "ppo"), await newRun(32, "ppo")];
  await db.insert(runRewardModels).values([
    { runId: ppo, checkpointId: id("a"), role: "score", position: 0 },
    { runId: judged, checkpointId: id("a"), role: "judge", position: 0 },
  ]);
  await db
    .update(runs)
    .set({ config: { reward: { model: id("a") } } })
    .where(eq(runs.id, ppo));
  await made("b", "tuned-8", "ppo", ppo);
  await made("9", "only-judged", "ppo", judged);
  await db.insert(channels).values({ name: "live", checkpointId: id("b") });
  return { datasetId };
}

describeEachDatabase("lineage", (home) => {
  it("tells who asks for an answer's lineage the runs, rankings, instructions and how many labelers, without a name", async () => {
    await using t = await testDatabase(home);
    const { db } = t;
    const user = await makeOwner(db);
    const promptId = await collected(db, user.id);
    await lineage(db, (await ranked(db, promptId, 3)).rankingIds);
    const taught = await readUpbringing(db, id("b"));
    expect(taught).toEqual([
      { checkpoint: { id: id("b"), name: "tuned-8", stage: "ppo" }, run: 31, snapshots: [], erasedRows: 0 },
      {
        checkpoint: { id: id("a"), name: "rm-9", stage: "reward" },
        run: 12,
        snapshots: [{ sha256: id("d"), rankings: 3, labelers: 3, guidelines: [1, 2] }],
        erasedRows: 0,
      },
    ]);
    expect(JSON.stringify(taught)).not.toMatch(/heron|secret name/);
  });

  it("leads from a task to each model it shaped, for leads alone", async () => {
    await using t = await testDatabase(home);
    const { db } = t;
    const promptId = await collected(db, (await makeOwner(db)).id);
    const { taskId, rankingIds } = await ranked(db, promptId, 2);
    const lead = callerFor(db, await makePerson(db, { role: "labeler", grants: ["labelingLead"] }));
    expect(await lead.batches.influence({ taskId })).toMatchObject({
      rankings: 2,
      inSnapshots: 0,
      policies: [],
    });
    await lineage(db, rankingIds.slice(0, 1));
    expect(await lead.batches.influence({ taskId })).toMatchObject({
      rankings: 2,
      inSnapshots: 1,
      snapshots: [{ name: "secret name" }],
      rewardModels: [{ name: "rm-9", run: 12 }],
      policies: [{ name: "tuned-8", run: 31, channels: ["live"] }],
    });
    const labeler = callerFor(db, await makePerson(db, { role: "labeler" }));
    await expect(labeler.batches.influence({ taskId })).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(lead.batches.influence({ taskId: randomUUID() })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it("says which live policies learned from what was erased or withdrawn since", async () => {
    await using t = await testDatabase(home);
    const { db } = t;
    const user = await makeOwner(db);
    const promptId = await collected(db, user.id);
    const { datasetId } = await lineage(db, (await ranked(db, promptId, 2)).rankingIds);
    const auditor = callerFor(db, await makePerson(db, { grants: ["auditor"] }));
    const touched = () => auditor.promotion.touched({ candidateId: id("9") });
    expect(await touched()).toEqual([]);
    await db.update(datasetRows).set({ content: null }).where(eq(datasetRows.position, 1));
    await db.update(conversations).set({ consent: false });
    expect(await touched()).toEqual([
      { checkpoint: { id: id("b"), name: "tuned-8" }, channels: ["live"], erased: 1, withdrawn: 2 },
    ]);
    expect(datasetId).toBeTruthy();
    await expect(callerFor(db, user).promotion.touched({ candidateId: null })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });
});

/** A prompt taken from a chat. */
async function collected(db: Db, userId: string): Promise<string> {
  const { questionId, answerIds } = await makeExchange(db, { userId, question: "Why?" });
  await giveThumb(db, { messageId: answerIds[0] ?? "", userId, thumb: -1 });
  await collectPrompts(db, { actorId: null });
  return (await first(db.select().from(prompts).where(eq(prompts.messageId, questionId)))).id;
}
