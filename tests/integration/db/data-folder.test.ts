/** @file One process per data folder, whatever happened to the one before. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { describe, expect, it, onTestFinished } from "vitest";
import { lockDataFolder, lockFile } from "@/server/db/data-folder-lock";
import { openDatabase } from "@/server/db/open-database";

const holder = fileURLToPath(new URL("../../helpers/hold-database.ts", import.meta.url));

function newFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "attune-lock-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts another process on the folder; resolves with the first line it says. */
async function startHolder(folder: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", holder], {
    env: { ...process.env, ATTUNE_DATA: folder, DATABASE_URL: "", LOG_LEVEL: "silent" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const [chunk] = await once(child.stdout, "data");
  return { child, said: String(chunk).trim() };
}

describe("the data folder", () => {
  it("refuses a second process by name, then lets the next one in after a kill -9, with every row kept", async () => {
    const folder = newFolder();
    {
      await using opened = await openDatabase({ dataFolder: folder, purpose: "test" });
      await opened.db.execute(sql`create table kept (n integer)`);
      await opened.db.execute(sql`insert into kept values (1)`);
      const { said } = await startHolder(folder);
      expect(said).toMatch(/^DataFolderLockedError: /);
      expect(said).toContain(`process ${process.pid} (test, since `);
      expect(said).toContain(`kill ${process.pid}`);
    }
    const { child, said } = await startHolder(folder);
    expect(said).toBe("open");
    await expect(openDatabase({ dataFolder: folder, purpose: "test" })).rejects.toThrow(
      new RegExp(`process ${child.pid} \\(test holder`),
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(fs.existsSync(lockFile(folder))).toBe(true);
    await using reopened = await openDatabase({ dataFolder: folder, purpose: "test" });
    const { rows } = await reopened.db.execute<{ n: number }>(sql`select n from kept`);
    expect(rows).toEqual([{ n: 1 }]);
  });

  it("takes over from a process whose pid another one has now", () => {
    const folder = newFolder();
    lockDataFolder(folder, "first")[Symbol.dispose]();
    writeHolder(folder, { pid: process.pid, startTime: "earlier" });
    using _lock = lockDataFolder(folder, "second");
    expect(JSON.parse(fs.readFileSync(lockFile(folder), "utf8"))).toMatchObject({ purpose: "second" });
  });

  it("believes a holder on another host while its heartbeat is fresh, and no longer", () => {
    const folder = newFolder();
    writeHolder(folder, { host: "elsewhere", pid: 999_999 });
    expect(() => lockDataFolder(folder, "second")).toThrow(/process 999999 on elsewhere/);
    const longAgo = new Date(Date.now() - 120_000);
    fs.utimesSync(lockFile(folder), longAgo, longAgo);
    using _lock = lockDataFolder(folder, "second");
    expect(JSON.parse(fs.readFileSync(lockFile(folder), "utf8"))).toMatchObject({ purpose: "second" });
  });

  it("is not stopped by a lock file that power loss left empty", () => {
    const folder = newFolder();
    fs.writeFileSync(lockFile(folder), "");
    using _lock = lockDataFolder(folder, "second");
    expect(fs.readdirSync(folder)).toEqual(["attune.lock"]);
  });

  it("is free again after a failed open", async () => {
    const folder = newFolder();
    const unreachable = "postgres://nobody@127.0.0.1:1/none";
    const opening = openDatabase({ dataFolder: folder, databaseUrl: unreachable, purpose: "test" });
    await expect(opening).rejects.toThrow(
      /PostgreSQL at 127\.0\.0\.1:1\/none does not answer: .*ECONNREFUSED/,
    );
    expect(fs.existsSync(lockFile(folder))).toBe(false);
  });
});

function writeHolder(folder: string, holderFields: Record<string, unknown>): void {
  const fields = {
    pid: process.pid,
    startTime: "unknown",
    host: os.hostname(),
    purpose: "first",
    takenAt: new Date().toISOString(),
    nonce: "n",
    ...holderFields,
  };
  fs.writeFileSync(lockFile(folder), JSON.stringify(fields));
}
