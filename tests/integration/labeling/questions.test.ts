/** @file Questions about tasks: asked by labelers, answered by leads, made examples, and seen by whoever asked. */
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import { auditLog, guidelines, mailDeliveries, prompts, taskQuestions, users } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { exportAccount } from "@/server/domain/account-data";
import { makeBatch, makeLabeler } from "../../helpers/labeling";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

/** A labeler with a draft who has asked about it, and a lead. */
async function setUp(db: Db, question = "Is B's joke harmful?") {
  const { tasks } = await makeBatch(db, { tasks: 2 });
  const labeler = await makeLabeler(db);
  const lead = await makePerson(db, { grants: ["labelingLead"], name: "Lea Lead" });
  const asLabeler = callerFor(db, labeler);
  const given = await asLabeler.labeling.next({});
  if (!("task" in given)) throw new Error("No task.");
  const { task } = given;
  const tiers = [[task.responses[2]?.id ?? ""]];
  const draft = { step: "rank" as const, mode: "board" as const, tiers };
  await asLabeler.labeling.saveDraft({ claimId: task.claimId, draft, draftVersion: 0, activeMs: 1_000 });
  await asLabeler.labeling.ask({ taskId: task.taskId, question });
  const asLead = callerFor(db, lead);
  const [asked] = await asLead.questions.list();
  if (!asked) throw new Error("No question.");
  return { tasks, labeler, lead, asLabeler, asLead, task, tiers, asked };
}

describeEachDatabase("questions", (home) => {
  it("are open to a lead with the task under its labeler's letters, until they are answered", async () => {
    await using t = await testDatabase(home);
    const { asLead, task, asked, labeler } = await setUp(t.db);
    expect(asked).toMatchObject({
      question: "Is B's joke harmful?",
      askedBy: { id: labeler.id },
      answer: null,
    });
    expect(await asLead.questions.countOpen()).toBe(1);
    const shown = await asLead.questions.task({ questionId: asked.id });
    expect(shown.isAskersOrder).toBe(true);
    expect(shown.task.responses).toEqual(task.responses);
    expect(shown.task.prompt).toEqual(task.prompt);

    const answered = await asLead.questions.answer({ questionId: asked.id, answer: "No, only tasteless." });
    expect(answered).toEqual({ exampleInVersion: null });
    expect(await asLead.questions.countOpen()).toBe(0);
    expect(await asLead.questions.list()).toEqual([]);
    expect(await asLead.questions.list({ state: "answered" })).toMatchObject([
      { answer: "No, only tasteless.", answeredBy: { name: "Lea Lead" } },
    ]);
    const [recorded] = await t.db.select().from(auditLog).where(eq(auditLog.action, "question.answered"));
    expect(recorded).toMatchObject({ subject: asked.id, details: {} });
  });

  it("bring their answer to the labeler: with the task, draft and all, and as new until it was seen", async () => {
    await using t = await testDatabase(home);
    const { asLabeler, asLead, task, tiers, asked } = await setUp(t.db);
    expect(await asLabeler.labeling.questions()).toMatchObject([{ answer: null, isNew: false }]);
    await asLead.questions.answer({ questionId: asked.id, answer: "No." });
    expect(await asLabeler.labeling.questions()).toMatchObject([{ answer: "No.", isNew: true }]);
    const again = await asLabeler.labeling.next({});
    expect(again).toMatchObject({
      task: {
        claimId: task.claimId,
        draft: { tiers },
        draftVersion: 1,
        answers: [{ id: asked.id, question: "Is B's joke harmful?", answer: "No." }],
      },
    });

    const stranger = callerFor(t.db, await makeLabeler(t.db));
    await stranger.labeling.readAnswers({ questionIds: [asked.id] });
    expect(await stranger.labeling.questions()).toEqual([]);
    expect(await asLabeler.labeling.questions()).toMatchObject([{ isNew: true }]);
    await asLabeler.labeling.readAnswers({ questionIds: [asked.id] });
    expect(await asLabeler.labeling.questions()).toMatchObject([{ isNew: false }]);
    // Corrected, it is new again.
    await asLead.questions.answer({ questionId: asked.id, answer: "Yes, after all.", basedOn: "No." });
    expect(await asLabeler.labeling.questions()).toMatchObject([{ answer: "Yes, after all.", isNew: true }]);
  });

  it("are told as answered by mail to who wants it, without a word of them, and not again where nothing changed", async () => {
    await using t = await testDatabase(home);
    const { asLabeler, asLead, labeler, asked } = await setUp(t.db);
    await asLabeler.labeling.chooseMail({ wantsMail: true });
    const answer = { questionId: asked.id, answer: "No, only tasteless." };
    await asLead.questions.answer(answer);
    await asLead.questions.answer({ ...answer, basedOn: answer.answer });
    const mails = await t.db.select().from(mailDeliveries);
    expect(mails.map(({ userId, payload }) => ({ userId, payload }))).toEqual([
      {
        userId: labeler.id,
        payload: { text: "Your question about a task was answered.", path: "/label/work" },
      },
    ]);
  });

  it("take one answer of two leads who write at once, and refuse what is not asked", async () => {
    await using t = await testDatabase(home);
    const { asLead, asked, asLabeler, tasks, task } = await setUp(t.db);
    const other = callerFor(t.db, await makePerson(t.db, { role: "admin" }));
    const sent = [
      asLead.questions.answer({ questionId: asked.id, answer: "No." }),
      other.questions.answer({ questionId: asked.id, answer: "Yes." }),
    ];
    const ended = await Promise.allSettled(sent);
    expect(ended.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await expect(asLead.questions.answer({ questionId: asked.id, answer: "Maybe." })).rejects.toThrow(
      /answered meanwhile: “(No|Yes)\.”/,
    );
    await expect(asLead.questions.answer({ questionId: task.taskId, answer: "?" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    await expect(asLead.questions.answer({ questionId: asked.id, answer: " " })).rejects.toThrow(/is empty/);
    const foreign = tasks.find(({ taskId }) => taskId !== task.taskId)?.taskId ?? "";
    await expect(asLabeler.labeling.ask({ taskId: foreign, question: "?" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });

  it("become an example in a version of the guidelines, once, over whatever was written meanwhile", async () => {
    await using t = await testDatabase(home);
    const { asLead, asLabeler, asked, task } = await setUp(t.db);
    await asLead.guidelines.add({ text: "Be fair and quick.", changes: "Speed.", basedOn: 1 });
    const example = { question: "Is a tasteless joke harmful?", answer: "No." };
    const answer = { questionId: asked.id, answer: "No, only tasteless." };
    expect(await asLead.questions.answer({ ...answer, example })).toEqual({ exampleInVersion: 3 });
    expect(await asLabeler.labeling.guidelines({})).toMatchObject({
      version: 3,
      text: "Be fair and quick.\n\n## Questions from labelers\n\n> Is a tasteless joke harmful?\n\nNo.\n",
      changes: "An example was added: Is a tasteless joke harmful?",
    });
    expect(await asLabeler.labeling.questions()).toMatchObject([{ exampleInVersion: 3, isNew: true }]);
    // The task keeps the version it was given out with.
    expect(await asLabeler.labeling.next({})).toMatchObject({
      task: { guidelinesVersion: task.guidelinesVersion },
    });
    await expect(asLead.questions.answer({ ...answer, basedOn: answer.answer, example })).rejects.toThrow(
      /an example in version 3/,
    );
    expect(await t.db.$count(guidelines)).toBe(3);
  });

  it("leave nothing behind where the guidelines have no room for the example", async () => {
    await using t = await testDatabase(home);
    const { asLead, asked } = await setUp(t.db);
    await t.db.insert(guidelines).values({ version: 2, text: "x".repeat(99_990) });
    const example = { question: "Is it?", answer: "No." };
    await expect(asLead.questions.answer({ questionId: asked.id, answer: "No.", example })).rejects.toThrow(
      /they may have 100,000\. Shorten them/,
    );
    expect(await asLead.questions.countOpen()).toBe(1);
  });

  it("go with the account of whoever asked, and with the prompt whose words they may repeat", async () => {
    await using t = await testDatabase(home);
    const { labeler, asLead, asked, task } = await setUp(t.db, "My secret question");
    await asLead.questions.answer({ questionId: asked.id, answer: "A secret answer" });
    let exported = "";
    for await (const part of exportAccount(t.db, labeler.id)) exported += part;
    expect(JSON.parse(exported).questions).toMatchObject([
      { question: "My secret question", answer: "A secret answer" },
    ]);
    await t.db.delete(users).where(eq(users.id, labeler.id));
    const erased = { question: "", answer: null, askedBy: null };
    expect(await t.db.select().from(taskQuestions)).toMatchObject([erased]);
    expect(await asLead.questions.list({ state: "answered" })).toEqual([]);

    const other = await makeLabeler(t.db);
    await t.db
      .insert(taskQuestions)
      .values({ taskId: task.taskId, askedBy: other.id, question: "About its words" });
    await t.db.update(prompts).set({ status: "erased" });
    expect(await asLead.questions.list()).toEqual([]);
    expect(await callerFor(t.db, other).labeling.questions()).toEqual([]);
  });
});
