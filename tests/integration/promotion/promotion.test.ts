/** @file Promotion from request to rollback: who may, what it takes, what is kept, and what cannot be undone by accident. */
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { eq, inArray, sql } from "drizzle-orm";
import { describe, expect, it, vi } from "vitest";
import {
  channels,
  checkpoints,
  conversations,
  feedback,
  messages,
  notifications,
  promotionRequests,
  promotions,
  rankingTasks,
  responses,
  taskClaims,
  taskResponses,
  users,
} from "@/drizzle/schema";
import { writeCheckpoint } from "@/model/checkpoint/checkpoint-writer";
import type { SessionUser } from "@/server/context";
import type { KeyHolder } from "@/server/domain/api-keys";
import { readChannels, writeChannel } from "@/server/domain/channels";
import { markDeleted, registerCheckpoint } from "@/server/domain/checkpoints";
import { channelSettingsSchema } from "@/server/domain/promotion/channel-settings";
import { settleRetiredTasks } from "@/server/domain/promotion/retired-tasks";
import { rollBack } from "@/server/domain/promotion/rollback";
import { endCanary, shareTraffic } from "@/server/domain/promotion/steer-channel";
import { applyDueRequests, stepRamps, watchChannels } from "@/server/domain/promotion/upkeep";
import { readArm } from "@/server/domain/promotion/watch";
import { chooseModel, listApiModels } from "@/server/openai/choose-model";
import { answerLiveAt } from "@/server/promotion/live-at";
import { exchange, finished, send } from "../../helpers/chatting";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { fakeGeneration } from "../../helpers/fake-generation";
import { type MadeBatch, makeBatch } from "../../helpers/labeling";
import {
  canaryOverrides,
  overrides,
  type PromotionServer,
  promotionServer,
  withApproval,
} from "../../helpers/promoting";
import { makePerson } from "../../helpers/test-context";
import { describeEachDatabase } from "../../helpers/test-database";

const minutes = (count: number) => new Date(Date.now() + count * 60_000);

/** What happens while the files are looked at and the new policy is loaded. */
function meanwhile({ chat }: PromotionServer, happens: () => Promise<unknown>): void {
  vi.spyOn(chat.generation, "roomFor").mockImplementationOnce(async () => {
    await happens();
    return { fits: true, neededBytes: 0, freeBytes: 0 };
  });
}

const requestOf = async ({ db }: PromotionServer, requestId: string) => {
  const [row] = await db.select().from(promotionRequests).where(eq(promotionRequests.id, requestId));
  return row;
};

const kinds = async ({ db }: PromotionServer) =>
  (await db.select().from(promotions).orderBy(promotions.id)).map(
    ({ channel, kind }) => `${channel} ${kind}`,
  );

async function startCanary(
  server: PromotionServer,
  checkpointId: string,
  plan: { share: number; minutes: number | null }[] = [{ share: 99, minutes: null }],
) {
  const { requestId } = await server.asAda.promotion.request({
    channel: "canary",
    checkpointId,
    reason: "a look",
    plan,
    overrides: canaryOverrides,
  });
  await server.asAda.promotion.carryOut({ requestId });
}

describeEachDatabase("promotion", (home) => {
  it("needs every gate, or a typed reason for each that does not hold; all of it is kept", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    const { requestId } = await server.asAda.promotion.request({ checkpointId: tuned, reason: "better" });
    const apply = () => server.asAda.promotion.carryOut({ requestId });
    await expect(apply()).rejects.toMatchObject({
      code: "PRECONDITION_FAILED",
      message: expect.stringContaining("7 gates do not hold: Win rate (not measured)"),
    });
    for (const { gate } of overrides.slice(1)) {
      await server.asAda.promotion.override({ requestId, gate, reason: `no ${gate} yet` });
    }
    await expect(apply()).rejects.toThrow(/a gate does not hold/);
    await server.asAda.promotion.override({ requestId, gate: "winRate", reason: "first policy of ours" });
    const { promotionId } = await apply();
    expect(server.live()).toBe(tuned);
    const { rows } = await server.asAuditor.promotion.history({});
    expect(rows[0]).toMatchObject({
      id: promotionId,
      kind: "promotion",
      checkpoint: { id: tuned, name: "tuned" },
      previous: { id: server.checkpointId },
      actor: { name: "Ada" },
      reason: "better",
      evidence: { evidence: { winRate: null } },
    });
    expect(JSON.stringify(rows[0]?.evidence)).toContain("first policy of ours");
    await expect(apply()).rejects.toMatchObject({ code: "CONFLICT" });
    const told = await server.db.select().from(notifications);
    expect(told.map(({ kind }) => kind)).toEqual(["promotionRequested", "promoted"]);
  });

  it("asks for another admin where it is set so, who is never the one that asked", async () => {
    await using server = await promotionServer(home);
    await server.asAda.promotion.changeSettings(withApproval);
    const tuned = await server.newCheckpoint("tuned");
    const { requestId } = await server.asAda.promotion.request({
      checkpointId: tuned,
      reason: "better",
      overrides,
    });
    const apply = () => server.asAda.promotion.carryOut({ requestId });
    await expect(apply()).rejects.toThrow(/Approval \(0 of 1\)/);
    await expect(server.asAda.promotion.approve({ requestId })).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(
      server.asAda.promotion.override({ requestId, gate: "approval", reason: "in a hurry" }),
    ).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await server.asGrace.promotion.approve({ requestId });
    // What was set aside afterwards is not what was approved.
    await server.asAda.promotion.override({ requestId, gate: "tax", reason: "another reason" });
    await expect(apply()).rejects.toThrow(/Approval \(0 of 1\)/);
    await server.asGrace.promotion.approve({ requestId });
    await apply();
    expect(server.live()).toBe(tuned);
  });

  it("does not take an approval against another policy for one against what is live", async () => {
    await using server = await promotionServer(home);
    await server.asAda.promotion.changeSettings(withApproval);
    const [tuned, other] = [await server.newCheckpoint("tuned"), await server.newCheckpoint("other")];
    const { requestId } = await server.asAda.promotion.request({
      checkpointId: tuned,
      reason: "better",
      overrides,
    });
    await server.asGrace.promotion.approve({ requestId });
    const change = { channel: "live", checkpointId: other, actorId: null, reason: "test" };
    await writeChannel(server.db, change);
    await expect(server.asAda.promotion.carryOut({ requestId })).rejects.toThrow(/Approval \(0 of 1\)/);
  });

  it("does not take what was set aside against another policy for set aside against what is live", async () => {
    await using server = await promotionServer(home);
    const [tuned, other] = [await server.newCheckpoint("tuned"), await server.newCheckpoint("other")];
    const { requestId } = await server.asAda.promotion.request({
      checkpointId: tuned,
      reason: "better",
      overrides,
    });
    const point = (checkpointId: string) =>
      writeChannel(server.db, { channel: "live", checkpointId, actorId: null, reason: "test" });
    await point(other);
    await expect(server.asAda.promotion.carryOut({ requestId })).rejects.toThrow(/7 gates do not hold/);
    await point(server.checkpointId);
    // From before opponents were kept: it holds against that of the request.
    const kept = overrides.map((override) => ({ ...override, actorId: server.ada.id, at: new Date() }));
    await server.db
      .update(promotionRequests)
      .set({ overrides: kept })
      .where(eq(promotionRequests.id, requestId));
    await server.asAda.promotion.carryOut({ requestId });
    expect(server.live()).toBe(tuned);
  });

  it("is judged again just before it is written down", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    meanwhile(server, () => server.asGrace.promotion.changeSettings(withApproval));
    await expect(server.promote(tuned)).rejects.toThrow(/Approval \(0 of 1\)/);
    expect(server.live()).toBe(server.checkpointId);
    await server.asGrace.promotion.changeSettings(channelSettingsSchema.parse({}));
    const [request] = await server.db.select().from(promotionRequests);
    await writeChannel(server.db, { channel: "live", checkpointId: tuned, actorId: null, reason: "test" });
    await expect(server.asAda.promotion.carryOut({ requestId: request?.id ?? "" })).rejects.toMatchObject({
      code: "CONFLICT",
      message: "tuned is live already.",
    });
  });

  it("keeps the ids of who approved it, and no name", async () => {
    await using server = await promotionServer(home);
    await server.asAda.promotion.changeSettings(withApproval);
    const asks = { checkpointId: await server.newCheckpoint("tuned"), reason: "better", overrides };
    const { requestId } = await server.asAda.promotion.request(asks);
    await server.asGrace.promotion.approve({ requestId });
    await server.asAda.promotion.carryOut({ requestId });
    const { rows } = await server.asAuditor.promotion.history({ limit: 1 });
    expect(rows[0]?.evidence).toMatchObject({ approvals: [{ actorId: server.grace.id, holds: true }] });
    expect(JSON.stringify(rows[0]?.evidence)).not.toContain("Grace");
  });

  it("is refused while frozen; the way back stays open, and the reason may follow", async () => {
    await using server = await promotionServer(home);
    const [first, tuned] = [server.checkpointId, await server.newCheckpoint("tuned")];
    await server.promote(tuned);
    await server.asGrace.promotion.freeze({ reason: "the audit is on" });
    const other = await server.newCheckpoint("other");
    await expect(server.promote(other)).rejects.toThrow(/frozen: the audit is on/);
    const { promotionId } = await server.asAda.promotion.rollBack({});
    expect(server.live()).toBe(first);
    await server.asAda.promotion.note({ promotionId, text: "it swore" });
    const { rows } = await server.asAuditor.promotion.history({ channel: "live", limit: 1 });
    expect(rows[0]).toMatchObject({ kind: "rollback", reason: "", notes: [{ text: "it swore", by: "Ada" }] });
    await server.asAda.promotion.unfreeze();
    const [request] = await server.db
      .select()
      .from(promotionRequests)
      .where(eq(promotionRequests.status, "open"));
    const { id: requestId = "" } = request ?? {};
    // The gates were set aside against the policy that is not live any more.
    for (const override of overrides) await server.asAda.promotion.override({ requestId, ...override });
    await server.asAda.promotion.carryOut({ requestId });
    expect(server.live()).toBe(other);
  });

  it("rolls back to any policy that was live, and to no other", async () => {
    await using server = await promotionServer(home);
    const first = server.checkpointId;
    const [second, third] = [await server.newCheckpoint("second"), await server.newCheckpoint("third")];
    await server.promote(second);
    await expect(server.asAda.promotion.rollBack({ checkpointId: third })).rejects.toThrow(/never was live/);
    await server.promote(third);
    await server.asAda.promotion.rollBack({ checkpointId: first, reason: "two steps" });
    expect(server.live()).toBe(first);
    const { formerlyLive } = await server.asAda.promotion.state({});
    expect(formerlyLive).toMatchObject([
      { id: third, isTakenBack: false },
      { id: second, isTakenBack: false },
    ]);
  });

  it("keeps its history from being changed", async () => {
    await using server = await promotionServer(home);
    for (const statement of [
      "update promotions set reason = 'x'",
      "delete from promotions",
      "truncate promotions cascade",
    ])
      await expect(server.db.execute(sql.raw(statement))).rejects.toMatchObject({
        cause: expect.objectContaining({ message: expect.stringMatching(/append-only/) }),
      });
  });

  it("answers what was live at any moment, by whom and how people took it", async () => {
    await using server = await promotionServer(home);
    const beforeAll = new Date(Date.now() - 60_000);
    const { answer } = await exchange(server.asUser, "hi");
    await server.asUser.feedback.give({ messageId: answer.id, thumb: -1 });
    const tuned = await server.newCheckpoint("tuned");
    await server.promote(tuned);
    const at = (when: Date) => server.asAuditor.promotion.whatWasLive({ at: when });
    expect(await at(beforeAll)).toBeNull();
    const rows = await server.db.select().from(promotions).orderBy(promotions.id);
    const [start, promoted] = rows.map((row) => row.at);
    if (!start || !promoted) throw new Error("The history has two rows.");
    expect(await at(new Date(promoted.getTime() - 1))).toMatchObject({
      checkpoint: { name: "fake-1" },
      until: promoted,
      received: { thumbsDown: { hits: 1, n: 1 }, errors: { hits: 0, n: 1 } },
    });
    expect(await at(promoted)).toMatchObject({
      checkpoint: { name: "tuned" },
      until: null,
      actor: { name: "Ada" },
    });
    await expect(at(minutes(5))).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });

  it("is carried out when its time comes, with the gates looked at again", async () => {
    await using server = await promotionServer(home);
    const [tuned, other] = [await server.newCheckpoint("tuned"), await server.newCheckpoint("other")];
    const plan = { reason: "at night", scheduledFor: minutes(60) };
    await server.asAda.promotion.request({ checkpointId: tuned, overrides, ...plan });
    const { requestId } = await server.asAda.promotion.request({ checkpointId: other, ...plan });
    await applyDueRequests(server.promoting, minutes(59));
    expect(server.live()).toBe(server.checkpointId);
    await applyDueRequests(server.promoting, minutes(61));
    expect(server.live()).toBe(tuned);
    const [failed] = await server.db
      .select()
      .from(promotionRequests)
      .where(eq(promotionRequests.id, requestId));
    expect(failed).toMatchObject({ status: "failed", problem: expect.stringContaining("gates do not hold") });
  });

  it("that was planned fails where who asked is no admin any more, and waits while frozen", async () => {
    await using server = await promotionServer(home);
    const [tuned, other] = [await server.newCheckpoint("tuned"), await server.newCheckpoint("other")];
    const plan = { reason: "at night", scheduledFor: minutes(60), overrides };
    const byGrace = await server.asGrace.promotion.request({ checkpointId: other, ...plan });
    const byAda = await server.asAda.promotion.request({ checkpointId: tuned, ...plan });
    await server.db.update(users).set({ banned: true }).where(eq(users.id, server.grace.id));
    await server.asAda.promotion.freeze({ reason: "holiday" });
    await applyDueRequests(server.promoting, minutes(61));
    expect(await requestOf(server, byAda.requestId)).toMatchObject({ status: "open" });
    await server.asAda.promotion.unfreeze();
    await applyDueRequests(server.promoting, minutes(61));
    expect(server.live()).toBe(tuned);
    expect(await requestOf(server, byGrace.requestId)).toMatchObject({
      status: "failed",
      problem: expect.stringContaining("not an admin any more"),
    });
  });

  it("that was planned and cannot answer fails with why, and keeps no other waiting", async () => {
    await using server = await promotionServer(home);
    const plan = { reason: "at night", scheduledFor: minutes(60), overrides };
    const mute = await server.newCheckpoint("mute-1");
    const { requestId } = await server.asAda.promotion.request({ checkpointId: mute, ...plan });
    const tuned = await server.newCheckpoint("tuned");
    const canary = { channel: "canary", plan: [{ share: 5, minutes: null }] };
    await server.asAda.promotion.request({ checkpointId: tuned, ...plan, ...canary });
    await applyDueRequests(server.promoting, minutes(61));
    expect(server.live()).toBe(server.checkpointId);
    expect(await requestOf(server, requestId)).toMatchObject({
      status: "failed",
      problem: expect.stringContaining("cannot answer: the fake does not speak"),
    });
    expect((await readChannels(server.db)).get("canary")?.checkpointId).toBe(tuned);
    const told = await server.db.select().from(notifications);
    expect(told.map(({ kind }) => kind)).toEqual(["promotionRequested", "promotionRequested"]);
  });

  it("refuses a checkpoint whose files were deleted, removed or altered; the old one stays live", async () => {
    await using server = await promotionServer(home);
    const folder = path.join(server.dataFolder, "models", "real");
    const facts = { name: "real", stage: "sft", parent: null, run: null, datasetSha256: null } as const;
    await writeCheckpoint(folder, { ...facts, sourceRevision: "test", threadCount: null }, async (files) => {
      await files.json("config.json", { model_type: "fake" });
      await files.bytes("model.safetensors", ["the weights"]);
    });
    const real = await registerCheckpoint(server.db, folder, server.dataFolder);
    await fs.writeFile(path.join(folder, "model.safetensors"), "the Weights");
    await expect(server.promote(real)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/model\.safetensors.*sha256/s),
    });
    await fs.rm(folder, { recursive: true });
    const [request] = await server.db.select().from(promotionRequests);
    const apply = () => server.asAda.promotion.carryOut({ requestId: request?.id ?? "" });
    await expect(apply()).rejects.toThrow(/not what was registered/);
    await markDeleted(server.db, real);
    await expect(apply()).rejects.toThrow(/were deleted/);
    expect(server.live()).toBe(server.checkpointId);
  });

  it("refuses reward models, what is live, what is asked for twice, and unknown checkpoints", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    const ask = (checkpointId: string) => server.asAda.promotion.request({ checkpointId, reason: "x" });
    await expect(ask(server.checkpointId)).rejects.toThrow(/live already/);
    await expect(ask("nothing")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await ask(tuned);
    await expect(ask(tuned)).rejects.toThrow(/asked for already/);
    await server.db.update(checkpoints).set({ stage: "reward" }).where(eq(checkpoints.id, tuned));
    await expect(ask(tuned)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });
});

describeEachDatabase("a canary", (home) => {
  it("answers its share of conversations, each always the same way, and more as it grows", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    await startCanary(server, tuned, [{ share: 25, minutes: null }]);
    const { generation } = server.chat;
    const ids = Array.from({ length: 800 }, () => randomUUID());
    const inCanary = () => ids.filter((id) => generation.route("live", id).channel === "canary");
    const first = inCanary();
    // 25 % of 800 is 200; five standard deviations are 61.
    expect(Math.abs(first.length - 200)).toBeLessThan(62);
    expect(inCanary()).toEqual(first);
    await server.asAda.promotion.shareTraffic({ channel: "canary", share: 60, reason: "more" });
    const grown = new Set(inCanary());
    expect(first.every((id) => grown.has(id))).toBe(true);
    expect(grown.size).toBeGreaterThan(400);
  });

  it("is named by the messages it writes, and gone with its promotion", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    await startCanary(server, tuned);
    let asked = await exchange(server.asUser, "hi");
    // One conversation in a hundred is live's.
    while (asked.answer.checkpoint?.id !== tuned) asked = await exchange(server.asUser, "hi");
    const [row] = await server.db.select().from(messages).where(eq(messages.id, asked.answer.id));
    expect(row).toMatchObject({ channel: "canary", checkpointId: tuned });
    await server.promote(tuned);
    expect(await kinds(server)).toEqual([
      "live pointed",
      "canary canary",
      "canary canaryEnded",
      "live promotion",
    ]);
    expect([...(await readChannels(server.db)).keys()]).toEqual(["live"]);
    const place = { conversationId: asked.conversationId, parentId: asked.answer.id };
    const next = await exchange(server.asUser, "and now?", place);
    expect(next.answer.checkpoint?.id).toBe(tuned);
  });

  it("goes up its ramp as time passes, and waits while frozen", async () => {
    await using server = await promotionServer(home);
    await startCanary(server, await server.newCheckpoint("tuned"), [
      { share: 5, minutes: 60 },
      { share: 25, minutes: null },
    ]);
    const share = async () => (await readChannels(server.db)).get("canary")?.trafficShare;
    await stepRamps(server.promoting, minutes(59));
    expect(await share()).toBe(5);
    await server.asAda.promotion.freeze({ reason: "holiday" });
    await stepRamps(server.promoting, minutes(61));
    expect(await share()).toBe(5);
    await server.asAda.promotion.unfreeze();
    await stepRamps(server.promoting, minutes(61));
    expect(await share()).toBe(25);
    await stepRamps(server.promoting, minutes(1000));
    expect(await kinds(server)).toEqual(["live pointed", "canary canary", "canary ramp"]);
  });

  it("may be made smaller while frozen, and not bigger", async () => {
    await using server = await promotionServer(home);
    await startCanary(server, await server.newCheckpoint("tuned"), [{ share: 25, minutes: null }]);
    await server.asAda.promotion.freeze({ reason: "holiday" });
    const share = (to: number) =>
      server.asAda.promotion.shareTraffic({ channel: "canary", share: to, reason: "x" });
    await expect(share(30)).rejects.toThrow(/frozen: holiday/);
    await share(10);
    expect((await readChannels(server.db)).get("canary")?.trafficShare).toBe(10);
  });

  it("leaves something to live, at the end of each ramp, too", async () => {
    await using server = await promotionServer(home);
    const [tuned, other] = [await server.newCheckpoint("tuned"), await server.newCheckpoint("other")];
    await expect(startCanary(server, tuned, [{ share: 100, minutes: null }])).rejects.toMatchObject({
      code: "CONFLICT",
    });
    await startCanary(server, tuned, [
      { share: 5, minutes: 60 },
      { share: 60, minutes: null },
    ]);
    const second = (share: number) =>
      server.asAda.promotion.request({
        channel: "second",
        checkpointId: other,
        reason: "x",
        plan: [{ share, minutes: null }],
        overrides: canaryOverrides,
      });
    await expect(second(40)).rejects.toThrow("below 100 %: second up to 40 %, canary up to 60 %.");
    await server.asAda.promotion.carryOut(await second(39));
    await expect(
      server.asAda.promotion.shareTraffic({ channel: "second", share: 50, reason: "x" }),
    ).rejects.toThrow(/second up to 50 %, canary up to 60 %/);
  });

  it("is seen and named by those who manage models alone, over the API too", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    await startCanary(server, tuned);
    const user = { role: "user", grants: [] } as const;
    const named = async (person: Parameters<typeof listApiModels>[1]) =>
      (await listApiModels(server.db, person)).map(({ id }) => id);
    expect(await named({ ...user, grants: [] })).toEqual(["live", server.checkpointId]);
    expect(await named(server.ada)).toEqual(expect.arrayContaining(["canary", tuned]));
    for (const model of ["canary", tuned, "tuned"]) {
      await expect(chooseModel(server.db, { ...user, grants: [] }, model)).rejects.toMatchObject({
        code: "NOT_FOUND",
      });
      expect(await chooseModel(server.db, server.ada, model)).toBeTruthy();
    }
    const asked = {
      messageId: randomUUID(),
      conversationId: null,
      parentId: null,
      content: "hi",
      checkpointId: tuned,
    };
    await expect(server.asUser.chat.send(asked)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(await server.asUser.models.channels()).toMatchObject([{ name: "live", trafficShare: 0 }]);
    expect((await server.asAda.models.channels()).map(({ name }) => name)).toEqual(["canary", "live"]);
  });

  it("that ended while its checkpoint was being promoted does not stop the promotion", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    await startCanary(server, tuned);
    meanwhile(server, () => server.asGrace.promotion.endCanary({ channel: "canary", reason: "enough" }));
    await server.promote(tuned);
    expect(await kinds(server)).toEqual([
      "live pointed",
      "canary canary",
      "canary canaryEnded",
      "live promotion",
    ]);
  });

  it("and what is live are taken back only while they are what was judged", async () => {
    await using server = await promotionServer(home);
    const { checkpointId: first, promoting } = server;
    const [tuned, other] = [await server.newCheckpoint("tuned"), await server.newCheckpoint("other")];
    await server.promote(tuned);
    const itself = { actorId: null, reason: "it does worse" };
    const back = { ...itself, checkpointId: first, fromId: tuned, kind: "autoReturn" } as const;
    meanwhile(server, () =>
      writeChannel(server.db, { channel: "live", checkpointId: other, actorId: null, reason: "test" }),
    );
    await expect(rollBack(promoting, back)).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await readChannels(server.db)).get("live")?.checkpointId).toBe(other);
    await startCanary(server, tuned, [{ share: 5, minutes: null }]);
    const canary = { ...itself, channel: "canary" };
    await expect(endCanary(promoting, { ...canary, fromId: first })).rejects.toMatchObject({
      code: "CONFLICT",
    });
    const from = { checkpointId: tuned, since: new Date(0) };
    await expect(shareTraffic(promoting, { ...canary, from, share: 25, ramp: null })).rejects.toThrow(
      /begun anew/,
    );
    expect((await readChannels(server.db)).get("canary")?.trafficShare).toBe(5);
  });

  it("is not timed by answers over the API, which are stored when they have ended", async () => {
    await using server = await promotionServer(home);
    const arm = { checkpointId: server.checkpointId, channel: "live" };
    await answerMany(server, { ...arm, count: 3 });
    await answerMany(server, { ...arm, count: 5, failed: 1, source: "api" });
    expect(await readArm(server.db, { ...arm, from: new Date(0), to: null })).toMatchObject({
      errors: { hits: 1, n: 8 },
      answers: 3,
      msPerToken: 5,
    });
  });

  it("is not timed by answers that were gone on with or tried again, nor by two drafts", async () => {
    await using server = await promotionServer(home);
    const arm = { checkpointId: server.checkpointId, channel: "live" };
    await answerMany(server, { ...arm, count: 3 });
    const asked = await exchange(server.asUser, "hi [tokens=3]");
    const timed = async () => (await readArm(server.db, { ...arm, from: new Date(0), to: null })).answers;
    expect(await timed()).toBe(4);
    await server.db.update(messages).set({ status: "stopped" }).where(eq(messages.id, asked.answer.id));
    await server.asUser.chat.continue({ messageId: asked.answer.id });
    await finished(server.asUser, asked.answer.id);
    expect(await timed()).toBe(3);
  });

  it("is ended by itself when people turn from it, with the figures kept", async () => {
    await using server = await promotionServer(home);
    const tuned = await server.newCheckpoint("tuned");
    await startCanary(server, tuned);
    await answerMany(server, { checkpointId: server.checkpointId, channel: "live", count: 40, down: 4 });
    await answerMany(server, { checkpointId: tuned, channel: "canary", count: 40, down: 5 });
    await watchChannels(server.promoting);
    expect((await readChannels(server.db)).has("canary")).toBe(true);
    await answerMany(server, { checkpointId: tuned, channel: "canary", count: 60, down: 55 });
    await watchChannels(server.promoting);
    expect((await readChannels(server.db)).has("canary")).toBe(false);
    const { rows } = await server.asAuditor.promotion.history({ channel: "canary" });
    expect(rows[0]).toMatchObject({
      kind: "canaryEnded",
      actor: null,
      reason: expect.stringContaining("thumbs down 60 of 100"),
      evidence: { policy: { thumbsDown: { hits: 60, n: 100 } } },
    });
    expect(server.chat.generation.route("live", randomUUID()).channel).toBe("live");
  });

  it("of a new live policy ends in the one before, where answers fail", async () => {
    await using server = await promotionServer(home);
    const before = server.checkpointId;
    await answerMany(server, { checkpointId: before, channel: "live", count: 60, failed: 1 });
    const tuned = await server.newCheckpoint("tuned");
    await server.promote(tuned);
    await answerMany(server, { checkpointId: tuned, channel: "live", count: 40, failed: 20 });
    await watchChannels(server.promoting);
    expect(server.live()).toBe(before);
    expect((await kinds(server)).at(-1)).toBe("live autoReturn");
    const { formerlyLive } = await server.asAda.promotion.state({});
    expect(formerlyLive).toMatchObject([{ id: tuned, isTakenBack: true }]);
    // Nothing is watched after a return: it does not swing back.
    await watchChannels(server.promoting);
    expect(server.live()).toBe(before);
  });
});

/** Conversations of one answer each, written as rows. */
async function answerMany(
  { db, ada }: PromotionServer,
  {
    checkpointId,
    channel,
    count,
    down = 0,
    failed = 0,
    source = "chat",
  }: {
    checkpointId: string;
    channel: string;
    count: number;
    down?: number;
    failed?: number;
    source?: "chat" | "api";
  },
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const [conversation] = await db.insert(conversations).values({ userId: ada.id, source }).returning();
    const status = i < failed ? "failed" : "complete";
    const at = new Date();
    const [message] = await db
      .insert(messages)
      .values({
        conversationId: conversation?.id ?? "",
        role: "assistant",
        content: "x",
        status,
        checkpointId,
        channel,
        tokenIds: [1, 2],
        createdAt: at,
        finishedAt: source === "api" ? at : new Date(at.getTime() + 10),
      })
      .returning();
    const thumb = i < down ? -1 : 1;
    await db.insert(feedback).values({ messageId: message?.id ?? "", userId: ada.id, thumb });
  }
}

describeEachDatabase("a server killed in the middle of a switch", (home) => {
  it.each(["before", "after"] as const)(
    "has one live policy after it starts again: %s the row is written",
    async (when) => {
      await using server = await promotionServer(home);
      const { db, checkpointId: old } = server;
      const tuned = await server.newCheckpoint("tuned");
      // The process ends where `commit` never returns: warm, and either not written down or written and not yet pointed to.
      const reached = new Promise<void>((resolve) => {
        void server.chat.generation.pointChannel("live", {
          checkpointId: tuned,
          commit: async () => {
            const change = { channel: "live", checkpointId: tuned, actorId: null, reason: "test" };
            if (when === "after") await writeChannel(db, change);
            resolve();
            await new Promise(() => {});
          },
        });
      });
      await reached;
      expect(server.live()).toBe(old);
      await using again = await fakeGeneration();
      again.openChannels(await readChannels(db));
      expect(again.resolve({ channel: "live" })).toBe(when === "after" ? tuned : old);
      expect(await db.$count(channels, eq(channels.name, "live"))).toBe(1);
    },
  );
});

describe("a switch where both do not fit", () => {
  it("says so, and goes the cold way: questions wait for the new policy, and none breaks", async () => {
    await using server = await promotionServer();
    const { generation } = server.chat;
    const tuned = await server.newCheckpoint("tuned");
    await server.db.update(checkpoints).set({ sizeBytes: 1e15 }).where(eq(checkpoints.id, tuned));
    const asked = await server.asAda.promotion.request({ checkpointId: tuned, reason: "big", overrides });
    await expect(server.asAda.promotion.carryOut(asked)).rejects.toMatchObject({
      code: "PRECONDITION_FAILED",
      message: expect.stringContaining("chat pauses"),
    });
    await server.asAda.promotion.withdraw(asked);
    const running = await send(server.asUser, "slow [tokens=30] [delay=10]");
    const cold = await server.asAda.promotion.request({
      checkpointId: tuned,
      reason: "big",
      overrides,
      isCold: true,
    });
    const switching = server.asAda.promotion.carryOut(cold);
    await expect.poll(() => generation.resolve({ channel: "live" })).toBe(tuned);
    const meanwhile = await exchange(server.asUser, "anybody there?");
    await switching;
    expect(meanwhile.answer).toMatchObject({ status: "complete", checkpoint: { id: tuned } });
    const { messages: kept } = await server.asUser.conversations.get({
      conversationId: running.conversationId,
    });
    expect(kept.find(({ id }) => id === running.answer.id)).toMatchObject({ status: "complete" });
    expect(generation.status().map(({ checkpointId }) => checkpointId)).toEqual([tuned]);
  });

  it("answers nobody by the new policy before it is written down; where that fails they are told, and the old one is back", async () => {
    await using server = await promotionServer();
    const { generation } = server.chat;
    const tuned = await server.newCheckpoint("tuned");
    let refuse: (error: Error) => void = () => {};
    let hasBegun = false;
    const switching = generation.pointChannel("live", {
      checkpointId: tuned,
      isCold: true,
      commit: () =>
        new Promise<void>((_, reject) => {
          refuse = reject;
          hasBegun = true;
        }),
    });
    switching.catch(() => {});
    await expect.poll(() => hasBegun).toBe(true);
    const asked = await send(server.asUser, "anybody there?");
    const read = async () =>
      (await server.asUser.conversations.get({ conversationId: asked.conversationId })).messages.find(
        ({ id }) => id === asked.answer.id,
      );
    expect(await read()).toMatchObject({ content: "", checkpoint: { id: tuned } });
    refuse(new Error("the database is gone"));
    await expect(switching).rejects.toThrow("the database is gone");
    await expect.poll(async () => (await read())?.status).toBe("failed");
    expect((await read())?.content).toBe("");
    expect(server.live()).toBe(server.checkpointId);
  });

  it("has the old policy back where the new one cannot be loaded", async () => {
    await using server = await promotionServer();
    const broken = await server.newCheckpoint("broken-1");
    const cold = { checkpointId: broken, reason: "x", overrides, isCold: true };
    const asked = await server.asAda.promotion.request(cold);
    await expect(server.asAda.promotion.carryOut(asked)).rejects.toMatchObject({
      code: "SERVICE_UNAVAILABLE",
    });
    expect(server.live()).toBe(server.checkpointId);
    expect((await exchange(server.asUser, "hello")).answer.status).toBe("complete");
  });

  it("is measured anew where loading failed: an engine that was given up is not loaded", async () => {
    await using server = await promotionServer();
    const { generation } = server.chat;
    const broken = await server.newCheckpoint("broken-1");
    await expect(generation.load(broken)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await server.db.update(checkpoints).set({ sizeBytes: 1e15 }).where(eq(checkpoints.id, broken));
    expect(await generation.roomFor(broken)).toMatchObject({ fits: false });
    expect(await generation.roomFor(server.checkpointId)).toMatchObject({ fits: true });
  });
});

describe("the promotion procedures", () => {
  it("show an auditor everything and change nothing for them; users see nothing", async () => {
    await using server = await promotionServer();
    const tuned = await server.newCheckpoint("tuned");
    expect(await server.asAuditor.promotion.state({})).toMatchObject({ candidate: { id: tuned } });
    expect((await server.asAuditor.promotion.history({})).rows).toHaveLength(1);
    // Another one is never shown in the place of one that cannot be promoted.
    for (const candidateId of ["nothing", server.checkpointId]) {
      expect(await server.asAuditor.promotion.state({ candidateId })).toMatchObject({ candidate: null });
    }
    const asks = { checkpointId: tuned, reason: "x" };
    for (const call of [server.asAuditor, server.asUser]) {
      await expect(call.promotion.request(asks)).rejects.toMatchObject({ code: "FORBIDDEN" });
      await expect(call.promotion.rollBack({})).rejects.toMatchObject({ code: "FORBIDDEN" });
    }
    await expect(server.asUser.promotion.state({})).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("GET /v1/promotions", () => {
  const ask = async (server: PromotionServer, user: SessionUser, query: string) => {
    const holder: KeyHolder = { user, apiKeyId: "none", consent: false };
    const request = new Request(`http://localhost/v1/promotions${query}`);
    const response = await answerLiveAt(request, { db: server.db, holder, requestId: "test" });
    return response.json();
  };

  it("tells admins and auditors what was live at a moment, and the whole history", async () => {
    await using server = await promotionServer();
    const tuned = await server.newCheckpoint("tuned");
    const before = new Date().toISOString();
    await server.promote(tuned);
    const then = await ask(server, server.ada, `?at=${encodeURIComponent(before)}`);
    expect(then).toMatchObject({ live: { checkpoint: { id: server.checkpointId } } });
    const now = await ask(server, server.ada, `?at=${new Date().toISOString()}`);
    expect(now).toMatchObject({ live: { checkpoint: { id: tuned }, actor: { name: "Ada" } } });
    expect((await ask(server, server.ada, "?limit=1")).data).toMatchObject([{ kind: "promotion" }]);
    await expect(ask(server, server.ada, "?at=yesterday")).rejects.toMatchObject({ code: "BAD_REQUEST" });
    const user = await makePerson(server.db);
    await expect(ask(server, user, "")).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("a candidate of another vocabulary", () => {
  it("is told of before, goes live, and takes conversations on; what is stored stays its writer's", async () => {
    await using server = await promotionServer();
    const { db, dataFolder, asAda, asUser } = server;
    const reads = (name: string) => ({
      files: { "tokenizer.json": { sizeBytes: 1, sha256: name.repeat(64) } },
    });
    const known = async (name: string, vocabulary: string) => {
      const folder = await writeFakeCheckpoint(dataFolder, name, { stage: "sft", ...reads(vocabulary) });
      await fs.writeFile(path.join(folder, "tokenizer.json"), "x");
      return registerCheckpoint(db, folder, dataFolder);
    };
    const [old, same, other] = [await known("old", "a"), await known("same", "a"), await known("other", "b")];
    await server.chat.generation.pointChannel("live", {
      checkpointId: old,
      commit: () => writeChannel(db, { channel: "live", checkpointId: old, actorId: null, reason: "a test" }),
    });
    const first = await exchange(asUser, "one [tokens=8]");
    const told = async (candidateId: string) =>
      (await asAda.promotion.state({ candidateId })).candidate?.otherVocabulary;
    expect(await told(same)).toBeNull();
    expect(await told(server.checkpointId)).toBeNull();
    expect(await told(other)).toEqual({ storedAnswers: 1 });
    const { requestId } = await asAda.promotion.request({ checkpointId: other, reason: "better", overrides });
    const { rows } = await asAda.audit.list({ subject: requestId });
    expect(rows[0]?.details).toMatchObject({ otherVocabulary: true });
    await server.chat.generation.pointChannel("live", {
      checkpointId: other,
      commit: () =>
        writeChannel(db, { channel: "live", checkpointId: other, actorId: null, reason: "a test" }),
    });

    const place = { conversationId: first.conversationId, parentId: first.answer.id };
    const second = await exchange(asUser, "two", place);
    expect(second.answer).toMatchObject({ status: "complete", checkpoint: { id: other } });
    const cut = async (id: string) =>
      db.update(messages).set({ status: "stopped", content: "amber" }).where(eq(messages.id, id));
    const lone = await exchange(asUser, "three", place);
    await db.update(messages).set({ checkpointId: old }).where(eq(messages.id, lone.answer.id));
    await cut(lone.answer.id);
    await asUser.chat.continue({ messageId: lone.answer.id });
    expect(await finished(asUser, lone.answer.id)).toMatchObject({
      status: "complete",
      checkpoint: { id: old },
    });
    await cut(lone.answer.id);
    await asUser.chat.retry({ messageId: lone.answer.id });
    expect(await finished(asUser, lone.answer.id)).toMatchObject({
      checkpoint: { id: other },
      responseTokens: 12,
    });
  });
});

describe("ranking tasks of retired policies", () => {
  it.each(["keep", "close", "resample"] as const)("after a promotion, set to %s", async (retiredTasks) => {
    await using server = await promotionServer();
    const { db, checkpointId: old } = server;
    const tuned = await server.newCheckpoint("tuned");
    const policies = [old];
    const [ofOld, begun] = [await makeBatch(db, { policies }), await makeBatch(db, { policies })];
    const ofTuned = await makeBatch(db, { policies: [tuned] });
    const compared = await makeBatch(db, {
      policies: [old, tuned],
      purpose: "evaluation",
      task: "pairwise",
      k: 2,
    });
    const idsOf = ({ tasks }: MadeBatch) => tasks.flatMap(({ responseIds }) => responseIds);
    const writtenBy = async (batch: MadeBatch, id: string) =>
      db
        .update(responses)
        .set({ checkpointId: id, source: "sampled", author: null, sampling: {}, seed: 1, isFinished: true })
        .where(inArray(responses.id, idsOf(batch)));
    for (const batch of [ofOld, begun, compared]) await writtenBy(batch, old);
    await writtenBy(ofTuned, tuned);
    const { taskId = "", responseIds: responseOrder = [] } = begun.tasks[0] ?? {};
    await db
      .insert(taskClaims)
      .values({ taskId, labelerId: server.ada.id, responseOrder, expiresAt: minutes(5) });
    const statusOf = async ({ tasks: [task] }: MadeBatch) => {
      const [row] = await db
        .select()
        .from(rankingTasks)
        .where(eq(rankingTasks.id, task?.taskId ?? ""));
      return row?.status;
    };
    await server.asAda.promotion.changeSettings({ retiredTasks });
    await server.promote(tuned);
    expect(await statusOf(ofOld)).toBe("open");
    await settleRetiredTasks(db);
    await settleRetiredTasks(db);
    expect([await statusOf(begun), await statusOf(ofTuned), await statusOf(compared)]).toEqual([
      "open",
      "open",
      "open",
    ]);
    const batch = await server.asAda.batches.get({ batchId: ofOld.batchId });
    const done = {
      how: retiredTasks,
      tasks: 1,
      promotion: expect.any(Number),
      at: expect.any(Date),
      to: tuned,
    };
    expect(batch.retired).toEqual(retiredTasks === "keep" ? [] : [done]);
    expect(batch.policies.map(({ id }) => id)).toEqual([retiredTasks === "resample" ? tuned : old]);
    const kept = await db.$count(taskResponses, inArray(taskResponses.responseId, idsOf(ofOld)));
    expect(kept).toBe(retiredTasks === "resample" ? 0 : 4);
    if (retiredTasks !== "resample") {
      expect(await statusOf(ofOld)).toBe(retiredTasks === "close" ? "excluded" : "open");
    }
    // What is made later of an old policy was meant so.
    const later = await makeBatch(db, { policies });
    await writtenBy(later, old);
    await settleRetiredTasks(db);
    expect(await statusOf(later)).toBe("open");
  });
});
