/** @file What ends with a person's access: answers in the making, open streams, links they handed out. */
import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { expect, it } from "vitest";
import { messages, sessions, users } from "@/drizzle/schema";
import type { SessionUser } from "@/server/context";
import type { Db } from "@/server/db/db";
import { chatServer } from "../../helpers/chat-server";
import { begun, follow, send } from "../../helpers/chatting";
import { waitUntil } from "../../helpers/fake-generation";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase, testDatabase } from "../../helpers/test-database";

const endless = "[tokens=100000] [delay=5]";
const signedOut = "You were signed out";

/** A session of the person, and the procedures as called with it. */
async function signIn(db: Db, user: SessionUser) {
  const expiresAt = new Date(Date.now() + 60_000);
  const [session] = await db
    .insert(sessions)
    .values({ userId: user.id, token: randomUUID(), expiresAt })
    .returning();
  if (!session) throw new Error("The session was not stored.");
  return { sessionId: session.id, call: callerFor(db, user, { sessionId: session.id }) };
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of stream);
}

/** Begins a chat answer and a temporary one, both without end. */
async function beginAnswers(db: Db, user: SessionUser) {
  const { call } = await signIn(db, user);
  const { answer } = await send(call, endless);
  await begun(call, answer.id);
  const temporary = await call.chat.temporary({ messages: [{ role: "user", content: endless }] });
  let lastTemporary: unknown = null;
  const temporaryEnd = (async () => {
    for await (const update of temporary) lastTemporary = update;
    return lastTemporary;
  })();
  return { call, answerId: answer.id, temporaryEnd };
}

describeEachDatabase("losing access", (home) => {
  it("by being disabled stops every answer in the making and closes every stream", async () => {
    await using server = await chatServer({ home });
    const admin = await makePerson(server.db, { role: "admin" });
    const ann = await makePerson(server.db);
    const bob = await makePerson(server.db);
    const { call, answerId, temporaryEnd } = await beginAnswers(server.db, ann);
    const other = await beginAnswers(server.db, bob);
    const watching = expect(drain(follow(call, answerId, null))).rejects.toThrow(signedOut);
    const listening = expect(drain(await call.conversations.changes())).rejects.toThrow(signedOut);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await callerFor(server.db, admin).people.disable({ userId: ann.id });
    await Promise.all([watching, listening]);
    expect(await temporaryEnd).toMatchObject({ type: "ended", status: "stopped" });
    await waitUntil(() => !server.chat.answers.isLive(answerId));
    const [row] = await server.db.select().from(messages).where(eq(messages.id, answerId));
    expect(row?.status).toBe("stopped");
    // Nobody else's.
    expect(server.chat.answers.isLive(other.answerId)).toBe(true);
    server.chat.generation.expel(bob.id);
    await other.temporaryEnd;
  });

  it("by deleting the account stops the answers, and leaves nothing of them", async () => {
    await using server = await chatServer({ home });
    const ann = await makePerson(server.db);
    const { call, temporaryEnd } = await beginAnswers(server.db, ann);
    await call.account.delete({ password: "" });
    expect(await temporaryEnd).toMatchObject({ type: "ended", status: "stopped" });
    await waitUntil(() => server.chat.answers.count === 0);
    expect(await server.db.$count(messages)).toBe(0);
    expect(await server.db.$count(users)).toBe(0);
  });

  it("by a session's end closes that session's streams, and no other's; answers go on", async () => {
    await using server = await chatServer({ home });
    const ann = await makePerson(server.db);
    const [here, there] = [await signIn(server.db, ann), await signIn(server.db, ann)];
    const { answer } = await send(here.call, endless);
    const mine = follow(here.call, answer.id, null);
    await mine.next();
    const revoked = expect(drain(follow(there.call, answer.id, null))).rejects.toThrow(signedOut);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await here.call.account.revokeSession({ sessionId: there.sessionId });
    await revoked;
    expect((await mine.next()).done).toBe(false);
    expect(server.chat.answers.isLive(answer.id)).toBe(true);
  });

  it("takes back the links an admin handed out: none leads back in", async () => {
    await using t = await testDatabase(home);
    const admin = await makePerson(t.db, { role: "admin" });
    const asAdmin = callerFor(t.db, admin);
    const victim = await makePerson(t.db, { role: "admin" });
    const leave = {
      disabled: (userId: string) => asAdmin.people.disable({ userId }),
      demoted: (userId: string) => asAdmin.people.changeRole({ userId, role: "user" }),
      deleted: (userId: string) => callerFor(t.db, { ...admin, id: userId }).account.delete({ password: "" }),
    };
    for (const [how, end] of Object.entries(leave)) {
      const former = await makePerson(t.db, { role: "admin", name: how });
      const asFormer = callerFor(t.db, former);
      const invite = await asFormer.people.invite({ email: null, role: "admin" });
      const reset = await asFormer.people.issueResetLink({ userId: victim.id });
      await end(former.id);
      const open = await asAdmin.people.invites();
      expect({ how, open }).toEqual({ how, open: [] });
      for (const { path } of [invite, reset]) {
        const token = new URLSearchParams(path.split("?")[1]).get("token") ?? "";
        expect({ how, link: await callerFor(t.db, null).instance.link({ token }) }).toEqual({
          how,
          link: null,
        });
      }
    }
  });
});
