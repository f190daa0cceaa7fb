/** @file Demonstrations: reviewed by others, their ratings shown to who wrote them and asked for by datasets; erased with accounts. */
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import {
  auditLog,
  datasetRows,
  demonstrations,
  rankedResponses,
  rankingTasks,
  users,
} from "@/drizzle/schema";
import type { SessionUser } from "@/server/context";
import type { Db } from "@/server/db/db";
import { deleteAccount } from "@/server/domain/account";
import { exportAccount } from "@/server/domain/account-data";
import { snapshotDemonstrationsOf } from "@/server/domain/exchange/make-snapshot";
import { releaseExpired } from "@/server/domain/labeling/claims";
import { deliverMails } from "@/server/domain/mail";
import { createMailer } from "@/server/mail";
import { addRanking } from "../../helpers/batches";
import { type MadeTask, makeBatch, makeLabeler } from "../../helpers/labeling";
import { smtpServer } from "../../helpers/smtp-server";
import { callerFor, makePerson, testEnv } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const makeLead = (db: Db) => makePerson(db, { role: "labeler", grants: ["labelingLead"] });
const named = { name: "Set", description: "", actorId: null };

async function write(
  db: Db,
  { task, by, ...values }: { task: MadeTask; by: SessionUser } & Partial<typeof demonstrations.$inferInsert>,
): Promise<string> {
  const [made] = await db
    .insert(demonstrations)
    .values({
      promptId: task.promptId,
      taskId: task.taskId,
      labelerId: by.id,
      pseudonym: "p",
      text: "The ideal answer",
      guidelinesVersion: 1,
      ...values,
    })
    .returning({ id: demonstrations.id });
  if (!made) throw new Error("The demonstration was not stored.");
  return made.id;
}

const [first, second, third] = ["2026-03-02", "2026-03-03", "2026-03-04"].map((day) => new Date(day)) as [
  Date,
  Date,
  Date,
];

describeEachDatabase("demonstrations", (home) => {
  it("wait for a review with their prompt and what they were edited from, tests first, without a name", async () => {
    await using t = await testDatabase(home);
    const [labeler, lead] = [await makeLabeler(t.db), await makeLead(t.db)];
    const work = await makeBatch(t.db, { tasks: 3 });
    const test = await makeBatch(t.db, { purpose: "qualification" });
    const [a, b, c] = work.tasks as [MadeTask, MadeTask, MadeTask];
    const older = await write(t.db, {
      task: a,
      by: labeler,
      createdAt: first,
      editedFromId: a.responseIds[1] ?? "",
      text: "Response B, better",
    });
    const own = await write(t.db, { task: b, by: lead, createdAt: second });
    const newer = await write(t.db, { task: c, by: labeler, createdAt: second });
    const sat = await write(t.db, { task: test.tasks[0] as MadeTask, by: labeler, createdAt: third });
    await write(t.db, { task: b, by: labeler, text: "" });
    const found = await callerFor(t.db, lead).demonstrations.waiting();
    expect(found.waiting).toBe(3);
    expect(found.demonstrations.map(({ id }) => id)).toEqual([sat, older, newer]);
    expect(found.demonstrations[1]).toMatchObject({
      prompt: [{ role: "user", content: expect.stringMatching(/^Question 0/) }],
      text: "Response B, better",
      editedFrom: "Response B",
      rating: null,
    });
    expect(JSON.stringify(found)).not.toContain(labeler.id);
    expect(found.demonstrations.map(({ id }) => id)).not.toContain(own);
  });

  it("are given back with a note to be written again: the next task of their labeler, with their text", async () => {
    await using t = await testDatabase(home);
    const [labeler, lead] = [await makeLabeler(t.db), await makeLead(t.db)];
    const { tasks } = await makeBatch(t.db, { task: "demonstration", k: 0, tasks: 2 });
    const [asLabeler, asLead] = [callerFor(t.db, labeler).labeling, callerFor(t.db, lead).demonstrations];
    const taskOf = async () => {
      const next = await asLabeler.next({});
      if (!("task" in next)) throw new Error(next.noTask.text);
      return next.task;
    };
    const submit = async (text: string) =>
      asLabeler.submitDemonstration({
        claimId: (await taskOf()).claimId,
        text,
        editedFromId: null,
        pastedCharacters: 2,
        activeMs: 5,
      });
    const { demonstrationId } = await submit("Too short");
    await asLead.review({ demonstrationId, rating: 2 });
    await expect(asLead.giveBack({ demonstrationId, note: "Longer." })).rejects.toThrow("rated this 2 of 7");
    await asLead.giveBack({ demonstrationId, note: "Longer.", basedOn: 2 });
    expect(await asLead.reviewed()).toMatchObject([{ rating: null, isReturned: true, note: "Longer." }]);
    expect((await t.db.select().from(auditLog)).at(-1)).toMatchObject({
      action: "demonstration.returned",
      actorId: lead.id,
      details: { from: 2 },
    });
    const again = await taskOf();
    expect(again).toMatchObject({
      taskId: tasks[0]?.taskId,
      returnedComment: "Longer.",
      draft: { step: "demonstrate", demonstration: { text: "Too short", pastedCharacters: 2 } },
    });
    // Left for an hour, it gives back no place it never took, and is there again.
    await releaseExpired(t.db, new Date(Date.now() + 2 * 60 * 60 * 1000));
    const [task] = await t.db.select().from(rankingTasks).where(eq(rankingTasks.id, again.taskId));
    expect(task).toMatchObject({ status: "done", openPlaces: 0 });
    expect((await taskOf()).claimId).toBe(again.claimId);
    await submit("Long enough now");
    expect((await taskOf()).taskId).toBe(tasks[1]?.taskId);
    expect((await asLead.waiting()).demonstrations).toMatchObject([{ text: "Long enough now", version: 2 }]);
  });

  it("that are given back are told by mail to who wants it, without a word of them", async () => {
    await using t = await testDatabase(home);
    await using smtp = await smtpServer();
    const [labeler, other, lead] = [await makeLabeler(t.db), await makeLabeler(t.db), await makeLead(t.db)];
    const env = testEnv({
      ATTUNE_SMTP_URL: smtp.url,
      ATTUNE_MAIL_FROM: "attune@example.org",
      ATTUNE_URL: "https://chat.example.org",
    });
    const asLabeler = callerFor(t.db, labeler, { env }).labeling;
    expect((await asLabeler.status()).mail).toMatchObject({ isConfigured: true, wantsMail: false });
    await asLabeler.chooseMail({ wantsMail: true });
    const asUser = callerFor(t.db, await makePerson(t.db)).labeling;
    await expect(asUser.chooseMail({ wantsMail: true })).rejects.toMatchObject({ code: "FORBIDDEN" });
    const { tasks } = await makeBatch(t.db, { task: "demonstration", k: 0, tasks: 2 });
    for (const [i, by] of [labeler, other].entries()) {
      const demonstrationId = await write(t.db, { task: tasks[i] as MadeTask, by });
      await callerFor(t.db, lead).demonstrations.giveBack({ demonstrationId, note: "Secret words" });
    }
    expect(await deliverMails(t.db, createMailer(env))).toBe(1);
    const [mail] = smtp.received;
    expect(mail?.to).toBe(`RCPT TO:<${labeler.email}>`);
    expect(mail?.data).toContain("https://chat.example.org/label");
    expect(mail?.data).not.toContain("Secret");
  });

  it("are not given back where nobody could write them again, nor by who wrote them", async () => {
    await using t = await testDatabase(home);
    const [labeler, lead] = [await makeLabeler(t.db), await makeLead(t.db)];
    const make = async (values: Parameters<typeof makeBatch>[1], by = labeler) => {
      const { tasks } = await makeBatch(t.db, { task: "demonstration", k: 0, ...values });
      return { demonstrationId: await write(t.db, { task: tasks[0] as MadeTask, by }), note: "Again." };
    };
    const asLead = callerFor(t.db, lead).demonstrations;
    await expect(asLead.giveBack(await make({ status: "closed" }))).rejects.toThrow("batch is closed");
    await expect(asLead.giveBack(await make({ purpose: "qualification" }))).rejects.toThrow("answered once");
    await expect(asLead.giveBack(await make({}, lead))).rejects.toThrow("their own");
    const given = await make({});
    await expect(asLead.giveBack({ ...given, note: " " })).rejects.toThrow("Say what to write otherwise");
    await expect(callerFor(t.db, labeler).demonstrations.giveBack(given)).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });

  it("are rated with a note that who wrote them reads; the rating enters the audit log, the note does not", async () => {
    await using t = await testDatabase(home);
    const [labeler, lead] = [await makeLabeler(t.db), await makeLead(t.db)];
    const { tasks } = await makeBatch(t.db);
    const id = await write(t.db, { task: tasks[0] as MadeTask, by: labeler });
    const [asLead, asLabeler] = [callerFor(t.db, lead), callerFor(t.db, labeler)];
    expect(await asLabeler.labeling.demonstrations()).toMatchObject([{ id, rating: null, note: "" }]);
    await asLead.demonstrations.review({ demonstrationId: id, rating: 6, note: "Almost too long." });
    expect(await asLead.demonstrations.waiting()).toEqual({ demonstrations: [], waiting: 0 });
    expect(await asLabeler.labeling.demonstrations()).toMatchObject([
      { id, rating: 6, note: "Almost too long.", promptStart: expect.stringMatching(/^Question 0/) },
    ]);
    expect(await callerFor(t.db, await makeLabeler(t.db)).labeling.demonstrations()).toEqual([]);
    expect(await asLead.demonstrations.reviewed()).toMatchObject([{ id, rating: 6 }]);
    await asLead.demonstrations.review({ demonstrationId: id, rating: 5, basedOn: 6 });
    const recorded = await t.db
      .select({ subject: auditLog.subject, details: auditLog.details, actorId: auditLog.actorId })
      .from(auditLog)
      .where(eq(auditLog.action, "demonstration.reviewed"))
      .orderBy(auditLog.id);
    expect(recorded).toEqual([
      { subject: id, actorId: lead.id, details: { rating: 6, from: null } },
      { subject: id, actorId: lead.id, details: { rating: 5, from: 6 } },
    ]);
  });

  it("are not rated by who wrote them, twice unseen, in an older version, or beyond the scale", async () => {
    await using t = await testDatabase(home);
    const [labeler, lead] = [await makeLabeler(t.db), await makeLead(t.db)];
    const { tasks } = await makeBatch(t.db, { tasks: 2 });
    const [a, b] = tasks as [MadeTask, MadeTask];
    const asLead = callerFor(t.db, lead).demonstrations;
    const own = await write(t.db, { task: a, by: lead });
    await expect(asLead.review({ demonstrationId: own, rating: 7 })).rejects.toThrow(
      /Nobody reviews their own/,
    );
    const old = await write(t.db, { task: b, by: labeler, isCurrent: false });
    await expect(asLead.review({ demonstrationId: old, rating: 4 })).rejects.toThrow(/newer version/);
    const id = await write(t.db, { task: b, by: labeler, version: 2 });
    const other = callerFor(t.db, await makePerson(t.db, { role: "admin" })).demonstrations;
    const ended = await Promise.allSettled([
      asLead.review({ demonstrationId: id, rating: 3 }),
      other.review({ demonstrationId: id, rating: 3 }),
    ]);
    expect(ended.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await expect(asLead.review({ demonstrationId: id, rating: 2 })).rejects.toThrow(/rated this 3 of 7/);
    for (const rating of [0, 8, 3.5]) {
      await expect(asLead.review({ demonstrationId: id, rating, basedOn: 3 })).rejects.toMatchObject({
        code: "BAD_REQUEST",
      });
    }
    expect(await t.db.$count(auditLog, eq(auditLog.action, "demonstration.reviewed"))).toBe(1);
  });

  it("of practice and of the test are in no dataset", async () => {
    await using t = await testDatabase(home);
    const labeler = await makeLabeler(t.db);
    for (const purpose of ["practice", "qualification", "work"] as const) {
      const { tasks } = await makeBatch(t.db, { purpose });
      await write(t.db, { task: tasks[0] as MadeTask, by: labeler, text: `For ${purpose}`, rating: 7 });
    }
    const { id, rowCount } = await snapshotDemonstrationsOf(t.db, { ...named, minRating: 7 });
    expect(rowCount).toBe(1);
    const [row] = await t.db.select().from(datasetRows).where(eq(datasetRows.datasetId, id));
    expect(row?.content).toContain("For work");
  });

  it("lose their words with the account of who wrote them, in datasets too, which still verify", async () => {
    await using t = await testDatabase(home);
    const admin = callerFor(t.db, await makePerson(t.db, { role: "admin" }));
    const [leaving, staying] = [await makeLabeler(t.db), await makeLabeler(t.db)];
    const { tasks } = await makeBatch(t.db, { tasks: 3 });
    const [a, b, c] = tasks as [MadeTask, MadeTask, MadeTask];
    await write(t.db, { task: a, by: staying, text: "Kept one", createdAt: first });
    const id = await write(t.db, { task: b, by: leaving, text: "Their words", createdAt: second });
    await write(t.db, { task: c, by: staying, text: "Kept two", createdAt: third });
    await admin.demonstrations.review({ demonstrationId: id, rating: 6, note: "“Their words” are good" });
    const ranking = await addRanking(t.db, { taskId: a.taskId, labelerId: leaving.id, ranks: [1, 2, 3, 4] });
    await t.db
      .update(rankedResponses)
      .set({ note: "Their note" })
      .where(eq(rankedResponses.rankingId, ranking));
    const made = await snapshotDemonstrationsOf(t.db, { ...named, minRating: null });
    let exported = "";
    for await (const part of exportAccount(t.db, leaving.id)) exported += part;
    expect(JSON.parse(exported).demonstrations).toMatchObject([{ text: "Their words", rating: 6 }]);

    await deleteAccount(t.db, { userId: leaving.id, password: "" });

    expect(await t.db.select().from(demonstrations).where(eq(demonstrations.id, id))).toMatchObject([
      { text: "", reviewComment: null, labelerId: null, rating: 6 },
    ]);
    const rows = await t.db.select().from(datasetRows).orderBy(datasetRows.position);
    expect(rows.map(({ content }) => content && JSON.parse(content).messages.at(-1).content)).toEqual([
      "Kept one",
      null,
      "Kept two",
    ]);
    expect(await admin.datasets.get({ datasetId: made.id })).toMatchObject({ rowCount: 3, erasedRows: 1 });
    expect(await admin.datasets.verify({ datasetId: made.id })).toEqual({ ok: true, erasedRows: 1 });
    expect(await t.db.select().from(auditLog).where(eq(auditLog.action, "dataset.rowsErased"))).toMatchObject(
      [{ subject: made.id, details: { rows: 1 } }],
    );
    expect(new Set((await t.db.select().from(rankedResponses)).map(({ note }) => note))).toEqual(
      new Set([""]),
    );
  });

  it("lose their words by whatever way their labeler is deleted", async () => {
    await using t = await testDatabase(home);
    const labeler = await makeLabeler(t.db);
    const { tasks } = await makeBatch(t.db);
    await write(t.db, { task: tasks[0] as MadeTask, by: labeler });
    await snapshotDemonstrationsOf(t.db, { ...named, minRating: null });
    await t.db.delete(users).where(eq(users.id, labeler.id));
    expect(await t.db.select().from(demonstrations)).toMatchObject([{ text: "", labelerId: null }]);
    expect(await t.db.select().from(datasetRows)).toMatchObject([{ content: null }]);
  });
});
