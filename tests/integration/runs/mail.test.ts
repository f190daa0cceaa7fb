/** @file Notifications by mail: to the admins who want them, tried again until they are taken, with what went wrong on the page. */
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { mailDeliveries, users } from "@/drizzle/schema";
import { deliverMails } from "@/server/domain/mail";
import { notify } from "@/server/domain/notifications";
import { createMailer } from "@/server/mail";
import { startUpkeep } from "@/server/runs/upkeep";
import { type RunsServer, runsServer } from "../../helpers/runs-server";
import { smtpServer } from "../../helpers/smtp-server";
import { callerFor, makePerson, testEnv } from "../../helpers/test-context";

const later = (seconds: number) => new Date(Date.now() + seconds * 1000);

/** The admin's procedures and the mailer of a server with this mail server. */
function withMail({ db, admin }: RunsServer, url: string) {
  const env = testEnv({
    ATTUNE_SMTP_URL: url,
    ATTUNE_MAIL_FROM: "Attune <attune@example.org>",
    ATTUNE_URL: "https://chat.example.org",
  });
  return { call: callerFor(db, admin, { env }).notifications, mailer: createMailer(env), env };
}

const tell = ({ db }: RunsServer, runId: string | null, text: string) =>
  db.transaction((tx) => notify(tx, { kind: "runFailed", runId, text }));

describe("mail", () => {
  it("goes to the admins who want it, and is tried again until it is taken", async () => {
    await using server = await runsServer();
    await using smtp = await smtpServer();
    const { db, admin } = server;
    const { call, mailer } = withMail(server, smtp.url);
    const runId = await server.newRun();
    await tell(server, runId, "Nobody asked yet.");
    await call.chooseMail({ wantsMail: true });
    await tell(server, runId, "Run 1 failed.\nThe reason: ä");

    smtp.answer = "451 Come back later";
    expect(await deliverMails(db, mailer)).toBe(1);
    expect(await call.mail()).toMatchObject({
      isConfigured: true,
      wantsMail: true,
      address: admin.email,
      deliveries: [
        { event: "runFailed", status: "pending", attempts: 1, error: expect.stringMatching(/said no: 451/) },
      ],
    });
    smtp.answer = "250 OK";
    expect(await deliverMails(db, mailer)).toBe(0);
    expect(await deliverMails(db, mailer, later(11))).toBe(1);
    expect(await deliverMails(db, mailer, later(1e6))).toBe(0);
    expect(await call.mail()).toMatchObject({
      deliveries: [{ status: "delivered", attempts: 2, error: null }],
    });

    const [mail, ...others] = smtp.received;
    expect(others).toEqual([]);
    expect(mail).toMatchObject({ to: `RCPT TO:<${admin.email}>`, from: "MAIL FROM:<attune@example.org>" });
    expect(mail?.data).toMatch(/^Subject: Attune: Run 1 failed\.$/m);
    // Lines are folded by "=" at their end (RFC 2045).
    expect(mail?.data.replaceAll("=\n", "")).toContain(`https://chat.example.org/admin/runs/${runId}`);
  });

  it("that nobody takes is given up after two days, and can be tried again by its owner alone", async () => {
    await using server = await runsServer();
    await using smtp = await smtpServer();
    const { db } = server;
    const { call, mailer } = withMail(server, smtp.url);
    await call.chooseMail({ wantsMail: true });
    await tell(server, null, "Something");
    smtp.answer = "550 No such mailbox";
    let tries = 0;
    for (let hour = 0; hour < 60; hour++) tries += await deliverMails(db, mailer, later(hour * 3600));
    expect(tries).toBe(9);
    const [given] = (await call.mail()).deliveries;
    expect(given).toMatchObject({ status: "failed", error: "The mail server said no: 550 No such mailbox" });
    const deliveryId = given?.id ?? "";
    await expect(server.asOther.notifications.retryMail({ deliveryId })).rejects.toThrow(/no such mail/);
    smtp.answer = "250 OK";
    await call.retryMail({ deliveryId });
    expect(await deliverMails(db, mailer)).toBe(1);
    await expect(call.retryMail({ deliveryId })).rejects.toThrow(/no such mail that was given up/);
  });

  it("is tested on the spot: what goes wrong is said, and not tried again", async () => {
    await using server = await runsServer();
    await using smtp = await smtpServer();
    const { call, mailer } = withMail(server, smtp.url);
    expect(await call.testMail()).toMatchObject({ event: "test", status: "delivered" });
    expect(smtp.received[0]?.data).toContain("This is a test.");
    await smtp[Symbol.asyncDispose]();
    expect(await call.testMail()).toMatchObject({
      status: "failed",
      error: "The mail server could not be reached (ESOCKET).",
    });
    expect(await deliverMails(server.db, mailer, later(1e6))).toBe(0);
  });

  it("goes to nobody who is no admin any more, or is shut out, or has changed their mind", async () => {
    await using server = await runsServer();
    await using smtp = await smtpServer();
    const { db } = server;
    const { mailer, env } = withMail(server, smtp.url);
    const changes = [{ role: "user" }, { banned: true }, { wantsMail: false }] as const;
    for (const change of changes) {
      const person = await makePerson(db, { role: "admin" });
      const { notifications } = callerFor(db, person, { env });
      await notifications.chooseMail({ wantsMail: true });
      await tell(server, null, "Before");
      await db.update(users).set(change).where(eq(users.id, person.id));
      await tell(server, null, "After");
    }
    expect(await db.$count(mailDeliveries)).toBe(changes.length);
    await deliverMails(db, mailer);
    expect(smtp.received).toEqual([]);
    expect(await db.$count(mailDeliveries)).toBe(0);
  });

  it("is off without a mail server: the test says so, and what waits is given up", async () => {
    await using server = await runsServer();
    const { notifications } = server.asAdmin;
    await notifications.chooseMail({ wantsMail: true });
    await tell(server, null, "Something");
    expect(await deliverMails(server.db, null)).toBe(0);
    expect(await notifications.mail()).toMatchObject({
      isConfigured: false,
      deliveries: [{ status: "failed", attempts: 0, error: expect.stringMatching(/^No mail server is set/) }],
    });
    await expect(notifications.testMail()).rejects.toThrow(/ATTUNE_SMTP_URL/);
  });

  it("keeps nothing waiting: while the mail server is silent, lost leases end all the same", async () => {
    await using server = await runsServer();
    await using smtp = await smtpServer();
    smtp.answer = null;
    const { db, dataFolder } = server;
    const { call, mailer } = withMail(server, smtp.url);
    await call.chooseMail({ wantsMail: true });
    await tell(server, null, "Something");
    const runId = await server.newRun();
    const worker = await server.newWorker();
    await worker.claim();
    await using _upkeep = await startUpkeep({
      db,
      dataFolder,
      leaseSeconds: 1,
      mailer,
      chat: null,
      precision: "int8",
    });
    await expect
      .poll(async () => (await server.asAdmin.runs.get({ runId })).status, { timeout: 8_000 })
      .toBe("queued");
    expect((await call.mail()).deliveries).toMatchObject([
      { status: "pending" },
      { status: "pending", attempts: 1 },
    ]);
    // What upkeep waits for when it ends.
    await smtp[Symbol.asyncDispose]();
  });
});
