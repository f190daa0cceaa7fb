/** @file Which checkpoint people meet after a start: what was promoted stays, until there is a reason. */
import fs from "node:fs/promises";
import path from "node:path";
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { auditLog, channels } from "@/drizzle/schema";
import { readChannels, writeChannel } from "@/server/domain/channels";
import { chooseLive } from "@/server/domain/channels-boot";
import { isToyFolder, locateCheckpoint, registerCheckpoint } from "@/server/domain/checkpoints";
import { projectRoot } from "@/server/project-root";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { testDatabase } from "../../helpers/test-database";

async function machine() {
  const database = await testDatabase();
  const folder = await temporaryFolder();
  const { db } = database;
  const dataFolder = folder.path;
  return {
    db,
    dataFolder,
    write: (name: string) => writeFakeCheckpoint(dataFolder, name),
    start: (model: string, named?: string) =>
      chooseLive(db, {
        env: { ATTUNE_DATA: dataFolder, ATTUNE_MODEL: named },
        model: { folder: model, isToy: false },
      }),
    live: async () => {
      const id = (await readChannels(db)).get("live")?.checkpointId ?? "";
      return (await locateCheckpoint(db, id, dataFolder)).name;
    },
    promote: async (model: string) =>
      writeChannel(db, {
        channel: "live",
        checkpointId: await registerCheckpoint(db, model, dataFolder),
        actorId: null,
        reason: "promoted",
      }),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe("the live channel at start", () => {
  it("points to what was found first, and says so in the audit log", async () => {
    await using m = await machine();
    await m.start(await m.write("base"));
    expect(await m.live()).toBe("base");
    const [row] = await m.db.select().from(auditLog).where(eq(auditLog.action, "channel.pointed"));
    expect(row).toMatchObject({ subject: "live", actorId: null, details: { reason: "first start" } });
    await m.start(await m.write("newer"));
    expect(await m.live()).toBe("base");
  });

  it("obeys ATTUNE_MODEL when it changes, and lets a promotion stand when it does not", async () => {
    await using m = await machine();
    const [base, tuned, other] = [await m.write("base"), await m.write("tuned"), await m.write("other")];
    await m.start(base, "base");
    await m.promote(tuned);
    await m.start(base, "base");
    expect(await m.live()).toBe("tuned");
    await m.start(other, "other");
    expect(await m.live()).toBe("other");
  });

  it("leaves a checkpoint whose files are gone", async () => {
    await using m = await machine();
    const [gone, base] = [await m.write("gone"), await m.write("base")];
    await m.start(gone);
    await fs.rm(gone, { recursive: true });
    await m.start(base);
    expect(await m.live()).toBe("base");
  });

  it("replaces the toy by a real model", async () => {
    await using m = await machine();
    const toy = path.join(projectRoot, "model", "tiny", "sft");
    expect(isToyFolder(toy)).toBe(true);
    await m.promote(toy);
    expect(await m.db.$count(channels)).toBe(1);
    await m.start(await m.write("base"));
    expect(await m.live()).toBe("base");
  });

  it("finds a data folder that was moved", async () => {
    await using m = await machine();
    const id = await registerCheckpoint(m.db, await m.write("base"), m.dataFolder);
    expect((await locateCheckpoint(m.db, id, "/elsewhere")).folder).toBe("/elsewhere/models/base");
  });
});
