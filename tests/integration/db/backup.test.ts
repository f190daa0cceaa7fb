/** @file Backups: everything comes back, in either home; nothing damaged does; a failure leaves nothing half. */
import fs from "node:fs";
import path from "node:path";
import { asc } from "drizzle-orm";
import { describe, expect, it, vi } from "vitest";
import {
  auditLog,
  checkpoints,
  conversations,
  feedback,
  messages,
  oneTimeLinks,
  settings,
  users,
} from "@/drizzle/schema";
import {
  createBackup,
  listScheduledBackups,
  makeScheduledBackup,
  manifestName,
  verifyBackup,
} from "@/server/db/backup";
import type { Db } from "@/server/db/db";
import { dumpDatabase, loadDatabase } from "@/server/db/logical-dump";
import { migrateDatabase } from "@/server/db/migrate-database";
import { openDatabase, restoreMarker } from "@/server/db/open-database";
import { restoreBackup } from "@/server/db/restore";
import { scheduleBackups } from "@/server/db/schedule-backups";
import { appendAudit, verifyAudit } from "@/server/domain/audit";
import { loadSecrets } from "@/server/secrets";
import { temporaryFolder } from "../../helpers/temporary-folder";
import {
  databaseHomes,
  describeEachDatabase,
  emptyDatabase,
  testDatabase,
} from "../../helpers/test-database";

const tables = { users, checkpoints, conversations, messages, feedback, oneTimeLinks, settings, auditLog };

/** Rows of every kind that a careless format would change: circles, arrays, Unicode, null and nested JSON, tiny numbers. */
async function fill(db: Db): Promise<void> {
  const [ada] = await db
    .insert(users)
    .values({ name: "Ada 👩‍💻 \"'\\ \t", email: "ada@example.org", role: "admin", grants: ["auditor"] })
    .returning();
  await db.insert(checkpoints).values({
    id: "c1",
    name: "base",
    stage: "base",
    folder: "models/base",
    manifest: { nested: [1, null, { deep: '\u2028 {"row":' }], big: 12345678901234 },
    sizeBytes: 9_007_199_254_740_991,
  });
  if (!ada) throw new Error("no user");
  const [conversation] = await db
    .insert(conversations)
    .values({ userId: ada.id, title: "日本語" })
    .returning();
  if (!conversation) throw new Error("no conversation");
  const [question] = await db
    .insert(messages)
    .values({ conversationId: conversation.id, role: "user", content: "line\nbreak\r\n\\N" })
    .returning();
  const [answer] = await db
    .insert(messages)
    .values({
      conversationId: conversation.id,
      parentId: question?.id,
      role: "assistant",
      content: "x".repeat(300_000),
      checkpointId: "c1",
      tokenIds: [1, 2, 3],
      logprobs: [-0.1, -1e-30, -12.345678],
      finishedAt: new Date("2026-01-02T03:04:05.678Z"),
    })
    .returning();
  if (!answer) throw new Error("no answer");
  await db.update(conversations).set({ activeLeafId: answer.id });
  await db.insert(feedback).values({ messageId: answer.id, userId: ada.id, tags: ["a,b", "{}"], thumb: 1 });
  await db.insert(settings).values({ key: "signUp", value: "closed" });
  for (const subject of ["one", "two"]) {
    await db.transaction((tx) => appendAudit(tx, { actorId: ada.id, action: "setting.changed", subject }));
  }
}

async function readAll(db: Db): Promise<unknown> {
  const entries = await Promise.all(
    Object.entries(tables).map(async ([name, table]) => [
      name,
      await db
        .select()
        .from(table)
        .orderBy(asc(Object.values(table)[0])),
    ]),
  );
  return Object.fromEntries(entries);
}

/** A data folder as a server leaves it: secrets, a model, an artifact, an unfinished download. */
function fillFolder(dataFolder: string): void {
  loadSecrets(dataFolder);
  const put = (name: string, content: string) => {
    fs.mkdirSync(path.dirname(path.join(dataFolder, name)), { recursive: true });
    fs.writeFileSync(path.join(dataFolder, name), content);
  };
  put("models/base/model.safetensors", "weights".repeat(1000));
  put("models/.incoming/half/model.gguf", "half");
  put("artifacts/ab/abcd", "artifact");
  put("cache/serving/x.onnx", "can be made again");
}

describeEachDatabase("a backup taken", (home) => {
  it.each(databaseHomes)("comes back whole into %s, with the audit chain going on", async (target) => {
    await using source = await testDatabase(home);
    await using folder = await temporaryFolder();
    const dataFolder = path.join(folder.path, "data");
    fillFolder(dataFolder);
    await fill(source.db);
    const { folder: backup, manifest } = await createBackup({
      db: source.db,
      dataFolder,
      target: path.join(folder.path, "backup"),
    });
    expect(manifest.files.map((file) => file.path)).toEqual([
      "data/artifacts/ab/abcd",
      "data/models/base/model.safetensors",
      "data/secrets.json",
      "database.jsonl.gz",
    ]);
    expect(fs.statSync(backup).mode & 0o077).toBe(0);

    await using external = target === "postgres" ? await emptyDatabase("postgres") : null;
    const restoredFolder = path.join(folder.path, "restored");
    const restored = await restoreBackup({
      source: backup,
      dataFolder: restoredFolder,
      databaseUrl: external?.url,
    });
    expect(restored).toMatchObject({ rows: manifest.databaseRows, replaced: null, notIncluded: [] });
    expect(loadSecrets(restoredFolder)).toEqual(loadSecrets(dataFolder));
    expect(fs.readFileSync(path.join(restoredFolder, "artifacts/ab/abcd"), "utf8")).toBe("artifact");
    await using opened = await openDatabase({
      dataFolder: restoredFolder,
      databaseUrl: external?.url,
      purpose: "test",
    });
    expect(await readAll(opened.db)).toEqual(await readAll(source.db));
    await opened.db.transaction((tx) =>
      appendAudit(tx, { actorId: null, action: "backup.restored", subject: "test" }),
    );
    expect(await verifyAudit(opened.db, manifest.auditHead ?? undefined)).toMatchObject({
      ok: true,
      rows: 3,
    });
  });

  it("holds one moment, while people go on writing", async () => {
    await using source = await testDatabase(home);
    await using folder = await temporaryFolder();
    await fill(source.db);
    const file = path.join(folder.path, "dump.jsonl.gz");
    const dump = dumpDatabase(source.db, file);
    const writing = Array.from({ length: 20 }, (_, i) =>
      source.db.insert(users).values({ name: `N${i}`, email: `n${i}@example.org` }),
    );
    const { rows } = await dump;
    await Promise.all(writing);
    await using target = await emptyDatabase(home);
    expect(await loadDatabase(target.db, file)).toEqual({ rows });
    expect(await source.db.$count(users)).toBe(21);
  });
});

describe("a backup", () => {
  async function makeBackup(folder: string) {
    await using source = await testDatabase();
    const dataFolder = path.join(folder, "data");
    fillFolder(dataFolder);
    await fill(source.db);
    return await createBackup({ db: source.db, dataFolder, target: path.join(folder, "backup") });
  }

  it.each([
    [
      "a changed byte",
      (backup: string) => fs.writeFileSync(path.join(backup, "data/artifacts/ab/abcd"), "artifacT"),
      /abcd differs/,
    ],
    [
      "a missing file",
      (backup: string) => fs.rmSync(path.join(backup, "data/secrets.json")),
      /secrets\.json is missing/,
    ],
    [
      "a file too many",
      (backup: string) => fs.writeFileSync(path.join(backup, "data/models/evil"), ""),
      /evil is not in its manifest/,
    ],
    ["no manifest", (backup: string) => fs.rmSync(path.join(backup, manifestName)), /has no manifest\.json/],
    [
      "a manifest that leads outside",
      (backup: string) => {
        const file = path.join(backup, manifestName);
        fs.writeFileSync(
          file,
          fs.readFileSync(file, "utf8").replace("data/artifacts/ab/abcd", "data/../../../etc/evil"),
        );
      },
      /does not fit/,
    ],
  ])("with %s is refused, and nothing is touched", async (_what, damage, message) => {
    await using folder = await temporaryFolder();
    const { folder: backup } = await makeBackup(folder.path);
    damage(backup);
    const target = path.join(folder.path, "target");
    await expect(restoreBackup({ source: backup, dataFolder: target })).rejects.toThrow(message);
    expect(fs.existsSync(target)).toBe(false);
  });

  it("is not restored over data, unless told: then what was there is moved aside", async () => {
    await using folder = await temporaryFolder();
    const { folder: backup } = await makeBackup(folder.path);
    const target = path.join(folder.path, "target");
    fs.mkdirSync(path.join(target, "artifacts"), { recursive: true });
    fs.writeFileSync(path.join(target, "artifacts/mine"), "mine");
    await expect(restoreBackup({ source: backup, dataFolder: target })).rejects.toThrow(
      /not empty \(artifacts\).*--replace/,
    );
    const { replaced } = await restoreBackup({ source: backup, dataFolder: target, replace: true });
    expect(fs.readFileSync(path.join(replaced ?? "", "artifacts/mine"), "utf8")).toBe("mine");
    expect(fs.existsSync(path.join(target, "artifacts/mine"))).toBe(false);
  });

  it("that was cut while being restored keeps the server from starting, and is restored by the next try", async () => {
    await using folder = await temporaryFolder();
    const { folder: backup } = await makeBackup(folder.path);
    const target = path.join(folder.path, "target");
    fs.mkdirSync(path.join(target, "models"), { recursive: true });
    fs.writeFileSync(path.join(target, "models/half"), "half");
    fs.writeFileSync(restoreMarker(target), "{}");
    await expect(openDatabase({ dataFolder: target, purpose: "server" })).rejects.toThrow(
      /restore .* was cut.*Run it again/,
    );
    await restoreBackup({ source: backup, dataFolder: target });
    expect(fs.existsSync(path.join(target, "models/half"))).toBe(false);
    await using opened = await openDatabase({ dataFolder: target, purpose: "server" });
    expect(await opened.db.$count(users)).toBe(1);
  });

  it("leaves nothing behind when the disk is full", async () => {
    await using source = await testDatabase();
    await fill(source.db);
    await using folder = await temporaryFolder();
    const fullDisk = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    const write = vi.spyOn(fs, "write").mockImplementation((...args: unknown[]) => {
      const callback = args.at(-1);
      if (typeof callback === "function") callback(fullDisk);
    });
    try {
      await expect(
        createBackup({ db: source.db, dataFolder: folder.path, target: path.join(folder.path, "backups/b") }),
      ).rejects.toThrow(/ENOSPC/);
    } finally {
      write.mockRestore();
    }
    expect(fs.readdirSync(path.join(folder.path, "backups"))).toEqual([]);
    await source.db.insert(users).values({ name: "B", email: "b@example.org" });
    expect(await source.db.$count(users)).toBe(2);
  });
});

describe("a dump", () => {
  it.each([
    ["cut in the middle", (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
    [
      "with a flipped bit",
      (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 4 : byte))),
    ],
    ["of something else", () => Buffer.from("hello")],
  ])("%s is refused and leaves the database empty", async (_what, damage) => {
    await using source = await testDatabase();
    await fill(source.db);
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "dump.jsonl.gz");
    await dumpDatabase(source.db, file);
    fs.writeFileSync(file, damage(fs.readFileSync(file)));
    await using target = await emptyDatabase();
    await expect(loadDatabase(target.db, file)).rejects.toThrow(/damaged|cut|no dump/);
    expect(await loadIsPossible(target.db, folder.path)).toBe(true);
  });

  it("of a newer program is refused, naming both versions", async () => {
    await using source = await emptyDatabase();
    await migrateDatabase(source.db);
    await source.db.execute(
      "insert into public.migrations (name, hash, app_version) values ('0099_future', 'x', '9.9.9')",
    );
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "dump.jsonl.gz");
    await dumpDatabase(source.db, file);
    await using target = await emptyDatabase();
    await expect(loadDatabase(target.db, file)).rejects.toThrow(
      /0099_future\), which is newer than this Attune/,
    );
  });

  async function loadIsPossible(db: Db, folder: string): Promise<boolean> {
    await using source = await testDatabase();
    const file = path.join(folder, "good.jsonl.gz");
    await dumpDatabase(source.db, file);
    await loadDatabase(db, file);
    return true;
  }
});

describe("scheduled backups", () => {
  it("keep the newest ones only, and share the bytes of artifacts", async () => {
    await using source = await testDatabase();
    await using folder = await temporaryFolder();
    fillFolder(folder.path);
    for (let i = 0; i < 3; i++) await makeScheduledBackup(source.db, { dataFolder: folder.path, keep: 2 });
    const kept = await listScheduledBackups(folder.path);
    expect(kept).toHaveLength(2);
    const newest = path.join(folder.path, "backups", kept[0] ?? "");
    expect(fs.statSync(path.join(newest, "data/artifacts/ab/abcd")).nlink).toBe(3);
    await verifyBackup(newest);
  });

  it("are made when due, and not again before", async () => {
    await using source = await testDatabase();
    await using folder = await temporaryFolder();
    const schedule = { db: source.db, dataFolder: folder.path, everyHours: 24, keep: 2, firstAfterMs: 0 };
    const made = () => listScheduledBackups(folder.path);
    {
      await using _never = scheduleBackups({ ...schedule, everyHours: 0 });
      await using _afterMinutes = scheduleBackups({ ...schedule, firstAfterMs: undefined });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(await made()).toHaveLength(0);
    {
      await using _first = scheduleBackups(schedule);
      await vi.waitFor(async () => expect(await made()).toHaveLength(1), { timeout: 10_000 });
    }
    {
      await using _again = scheduleBackups(schedule);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(await made()).toHaveLength(1);
  });
});
