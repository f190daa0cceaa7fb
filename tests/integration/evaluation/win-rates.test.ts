/** @file From judgments of simulated labelers to win rates: what counts, whose, in which slices, and the texts behind it. */
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import { labelerGroups, labelers, prompts, rankings, rankingTasks } from "@/drizzle/schema";
import { uniform } from "@/model/random/philox";
import type { Db } from "@/server/db/db";
import { readStrengths } from "@/server/domain/evaluation/strengths";
import { listTranscripts } from "@/server/domain/evaluation/transcripts";
import { readWinRate } from "@/server/domain/evaluation/win-rates";
import { setLabelerAside } from "@/server/domain/labelers/manage-labelers";
import { answerAll, judgeAll, makeEvaluation, type Verdict } from "../../helpers/evaluating";
import { makeLabeler } from "../../helpers/labeling";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { testDatabase } from "../../helpers/test-database";

const judge = { kind: "labelers" } as const;

async function workshop(texts: readonly string[], fields: Record<string, unknown> = {}) {
  const [t, folder] = [await testDatabase(), await temporaryFolder()];
  const pair = await makeEvaluation(t.db, { dataFolder: folder.path, texts, ...fields });
  return {
    db: t.db,
    ...pair,
    async [Symbol.asyncDispose]() {
      await t[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Sees the candidate's answer by its first word, which no labeler of the product could. */
const prefers =
  (verdictOf: (prompt: string) => "candidate" | "opponent" | "tie" | "bothBad") =>
  (left: string, _right: string, prompt: string): Verdict => {
    const verdict = verdictOf(prompt);
    if (verdict === "tie" || verdict === "bothBad") return verdict;
    return left.startsWith(verdict) ? "left" : "right";
  };

const sayWho = (prompt: string, policy: string) =>
  prompt.endsWith("same") ? "The same." : `${policy}: ${prompt}`;

async function heldOutLabeler(db: Db) {
  const [group] = await db.insert(labelerGroups).values({ name: "Held out", isHeldOut: true }).returning();
  return makeLabeler(db, { groupId: group?.id ?? null });
}

it("a win rate counts ties and both bad as half, and equal answers as ties that nobody was asked about", async () => {
  await using w = await workshop(["win a", "win b", "lose", "tie", "bad", "the same"]);
  await answerAll(w.db, w, sayWho);
  const none = await readWinRate(w.db, { ...w, judge });
  expect(none).toMatchObject({ overall: null, prompts: 6, equal: 1, worstSlice: null, slices: [] });
  const labeler = await makeLabeler(w.db);
  const rule = prefers((prompt) =>
    prompt.startsWith("win")
      ? "candidate"
      : prompt === "lose"
        ? "opponent"
        : prompt === "tie"
          ? "tie"
          : "bothBad",
  );
  expect(await judgeAll(w.db, labeler.id, rule)).toBe(5);
  const { overall, heldOut, training } = await readWinRate(w.db, { ...w, judge });
  expect(overall).toMatchObject({
    wins: 2,
    losses: 1,
    ties: 2,
    bothBad: 1,
    judgments: 6,
    prompts: 6,
    judges: 1,
  });
  expect(overall?.estimate).toBeCloseTo(3.5 / 6, 12);
  expect([heldOut, training?.judgments]).toEqual([null, 6]);
  // Asked the other way round, it is the other way round.
  const turned = await readWinRate(w.db, { candidateId: w.opponentId, opponentId: w.candidateId, judge });
  expect(turned.overall).toMatchObject({ wins: 1, losses: 2 });
});

it("only what stands is counted: not set aside, not returned, not withdrawn, not whoever is left out", async () => {
  await using w = await workshop(["one", "two", "three"], { overlap: 3 });
  await answerAll(w.db, w, sayWho);
  const [approver, other, third] = [
    await makeLabeler(w.db),
    await makeLabeler(w.db),
    await makeLabeler(w.db),
  ];
  await judgeAll(
    w.db,
    approver.id,
    prefers(() => "candidate"),
  );
  await judgeAll(
    w.db,
    other.id,
    prefers(() => "opponent"),
  );
  await judgeAll(
    w.db,
    third.id,
    prefers(() => "opponent"),
  );
  const count = async (without: string[] = []) =>
    (await readWinRate(w.db, { ...w, judge, without })).overall?.judgments ?? 0;
  expect(await count()).toBe(9);
  expect(await count([approver.id])).toBe(6);
  const estimate = (await readWinRate(w.db, { ...w, judge, without: [approver.id] })).overall?.estimate;
  expect(estimate).toBe(0);
  await setLabelerAside(w.db, { userId: third.id, reason: "Guesses.", actorId: approver.id });
  expect(await count()).toBe(6);
  const [given] = await w.db.select().from(rankings).where(eq(rankings.labelerId, other.id));
  await w.db
    .update(rankings)
    .set({ status: "returned", returnedComment: "Look again." })
    .where(eq(rankings.id, given?.id ?? ""));
  expect(await count()).toBe(5);
  await w.db.update(prompts).set({ status: "reported" }).where(eq(prompts.foldedText, "one"));
  expect(await count()).toBeLessThanOrEqual(4);
  await w.db.update(rankingTasks).set({ status: "excluded", excludedReason: "Unclear." });
  expect(await count()).toBe(0);
  expect(await count([approver.id, other.id, third.id])).toBe(0);
});

it("simulated labelers: the interval holds the rate they were made with, groups apart, and the worst slice is found", async () => {
  const texts = Array.from({ length: 60 }, (_, at) => (at % 2 ? `Frage ${at}` : `Вопрос ${at}`));
  await using w = await workshop(texts, { overlap: 2 });
  await answerAll(w.db, w, sayWho);
  // 85 % of Latin prompts are won, 30 % of Cyrillic ones.
  const simulated = (labeler: number) =>
    prefers((prompt) => {
      const at = Number(prompt.split(" ").at(-1));
      return uniform(4, [0, labeler, at, 0]) < (at % 2 ? 0.85 : 0.3) ? "candidate" : "opponent";
    });
  const [trained, heldOut] = [await makeLabeler(w.db), await heldOutLabeler(w.db)];
  await judgeAll(w.db, trained.id, simulated(0));
  await judgeAll(w.db, heldOut.id, simulated(1));
  const rate = await readWinRate(w.db, { ...w, judge });
  expect(rate.overall).toMatchObject({ judgments: 120, prompts: 60, judges: 2 });
  expect(rate.overall?.low).toBeLessThan(0.575);
  expect(rate.overall?.high).toBeGreaterThan(0.575);
  expect([rate.training?.judgments, rate.heldOut?.judgments]).toEqual([60, 60]);
  const scripts = rate.slices.filter(({ by }) => by === "script").map(({ value }) => value);
  expect(scripts.toSorted()).toEqual(["Cyrillic", "Latin"]);
  expect(rate.worstSlice).toMatchObject({ by: "script", value: "Cyrillic" });
  const plain = rate.slices.find(({ value }) => value === "Cyrillic")?.figure;
  const widened = rate.worstSlice?.figure;
  expect(widened?.estimate).toBe(plain?.estimate);
  expect((widened?.high ?? 0) - (widened?.low ?? 0)).toBeGreaterThan((plain?.high ?? 0) - (plain?.low ?? 0));
  // The texts behind that slice, losses by both first.
  const { transcripts, total, nextCursor } = await listTranscripts(w.db, {
    ...w,
    judge,
    slice: { by: "script", value: "Cyrillic" },
    group: null,
    cursor: 0,
    limit: 10,
  });
  expect([total, nextCursor]).toEqual([30, 10]);
  expect(transcripts[0]).toMatchObject({ credit: 0, judgments: [{ verdict: "loss" }, { verdict: "loss" }] });
  expect(transcripts[0]?.candidate).toMatch(/^candidate: Вопрос/);
  const credits = transcripts.map(({ credit }) => credit);
  expect(credits).toEqual(credits.toSorted((a, b) => a - b));
  const ofGroup = await listTranscripts(w.db, {
    ...w,
    judge,
    slice: null,
    group: "heldOut",
    cursor: 0,
    limit: 1,
  });
  expect(ofGroup).toMatchObject({ total: 60, transcripts: [{ judgments: [{ isHeldOut: true }] }] });
  // Strengths tell the same as the one win rate there is.
  const [first, second] = await readStrengths(w.db, { judge });
  const against = [first, second].find((each) => each?.policy.id === w.candidateId)?.againstReference;
  const estimate = rate.overall?.estimate ?? 0;
  expect(against?.estimate ?? 1 - (second?.againstReference?.estimate ?? 0)).toBeCloseTo(estimate, 2);
});

it("who may read figures sees no more of labelers than their pseudonyms", async () => {
  await using w = await workshop(["one"]);
  await answerAll(w.db, w, sayWho);
  const labeler = await makeLabeler(w.db);
  await judgeAll(
    w.db,
    labeler.id,
    prefers(() => "candidate"),
  );
  const [row] = await w.db.select().from(labelers).where(eq(labelers.userId, labeler.id));
  const found = await listTranscripts(w.db, { ...w, judge, slice: null, group: null, cursor: 0, limit: 5 });
  expect(found.transcripts[0]?.judgments).toEqual([
    { judge: row?.pseudonym, isHeldOut: false, verdict: "win" },
  ]);
  expect(JSON.stringify(found)).not.toContain(labeler.id);
});
