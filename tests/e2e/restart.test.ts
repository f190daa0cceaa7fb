/** @file A server that is killed, stopped, started twice: what was answered is kept, and nobody else gets into its data. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectRoot } from "@/server/project-root";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { answers, ask, makeAccount, textOf, untilBegun, untilEnded } from "../helpers/chat-page";
import { freePort } from "../helpers/free-port";

const long = "Write a very long story about a lighthouse keeper, a storm and a map. Take your time.";

let server: AttuneServer;
let browser: Browser;
let person: Visitor;

beforeAll(async () => {
  server = await attuneServer();
  browser = await launchBrowser();
  person = await visitor(browser, { baseURL: server.url });
  await makeAccount(person.page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
});
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

test("a killed server's partial answer is kept, marked, and can be continued after a restart", async () => {
  const { page } = person;
  const answer = await ask(page, long);
  await untilBegun(answer);
  // Growing text is stored at least every half second: what has been there for a second must survive.
  const seen = await textOf(answer);
  await page.waitForTimeout(1_000);
  const engines = childrenOf(server.pid);
  await server.kill();
  await expect.poll(() => engines.filter(isRunning), { timeout: 10_000 }).toEqual([]);
  await server.start();
  await page.reload();
  const kept = answers(page).last();
  await page.getByText("The server was stopped while this was being written.").waitFor();
  await expect.poll(async () => (await textOf(kept)).startsWith(seen.slice(0, 30))).toBe(true);
  const keptText = await textOf(kept);
  await page.getByRole("button", { name: "Continue" }).click();
  await expect
    .poll(async () => (await textOf(kept)).length, { timeout: 60_000 })
    .toBeGreaterThan(keptText.length);
});

test("a page that was open during the restart goes on by itself", async () => {
  const { page } = person;
  await stopAnswer();
  await server.stop();
  await server.start();
  const answer = await ask(page, "Say hello.");
  await untilBegun(answer);
  await stopAnswer();
});

test("Ctrl-C drains, exits 0 and leaves no process and no server file", async () => {
  const answer = await ask(person.page, long);
  await untilBegun(answer);
  const engines = childrenOf(server.pid);
  expect(await server.stop()).toBe(0);
  expect(engines.filter(isRunning)).toEqual([]);
  expect(fs.existsSync(path.join(server.dataFolder, "server.json"))).toBe(false);
  await server.start();
  await person.page.reload();
  await untilEnded(answers(person.page).last());
  expect((await textOf(answers(person.page).last())).length).toBeGreaterThan(0);
});

test("a second server on the same data folder is refused by name", async () => {
  const second = spawnSync(process.execPath, [path.join(projectRoot, "dist", "serve.js")], {
    cwd: projectRoot,
    env: { ...process.env, PORT: String(await freePort()), ATTUNE_DATA: server.dataFolder },
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(second.status).toBe(1);
  expect(second.stderr).toContain(`is in use by process ${server.pid}`);
});

test("the command line works through the running server", async () => {
  const attune = (...args: string[]) =>
    spawnSync(process.execPath, [path.join(projectRoot, "bin", "attune.mjs"), ...args], {
      cwd: projectRoot,
      env: { ...process.env, ATTUNE_DATA: server.dataFolder },
      encoding: "utf8",
      timeout: 60_000,
    });
  expect(attune("user", "list").stdout).toContain("ada@example.org · Ada Admin · admin");
  expect(attune("user", "reset-password", "ada@example.org").stdout).toContain(
    `${server.url}/reset-password?token=`,
  );
  expect(attune("audit", "verify").stdout).toMatch(/The audit log holds: \d+ rows/);
  const unknown = attune("user", "reset-password", "nobody@example.org");
  expect([unknown.status, unknown.stderr]).toEqual([
    1,
    expect.stringContaining("There is no account with the address nobody@example.org."),
  ]);
  const mistyped = attune("modles");
  expect([mistyped.status, mistyped.stderr]).toEqual([2, expect.stringContaining("Did you mean models?")]);
});

test("a backup of the running server restores into an empty folder with everything in it", async () => {
  const target = path.join(server.dataFolder, "a-backup");
  const restored = path.join(server.dataFolder, "restored");
  const attune = (dataFolder: string, ...args: string[]) =>
    spawnSync(process.execPath, [path.join(projectRoot, "bin", "attune.mjs"), ...args], {
      cwd: projectRoot,
      env: { ...process.env, ATTUNE_DATA: dataFolder },
      encoding: "utf8",
      timeout: 120_000,
    });
  expect(attune(server.dataFolder, "backup", target).status).toBe(0);
  const restore = attune(restored, "restore", target);
  expect(restore.stderr).toBe("");
  expect(restore.stdout).toMatch(/Restored \d+ rows/);
  expect(attune(restored, "user", "list").stdout).toContain("ada@example.org");
  expect(attune(restored, "audit", "verify").status).toBe(0);
});

async function stopAnswer(): Promise<void> {
  const stop = person.page.getByRole("button", { name: "Stop the answer" });
  if (await stop.isVisible()) await stop.click({ timeout: 2_000 }).catch(() => {});
  await untilEnded(answers(person.page).last());
}

function childrenOf(pid: number): number[] {
  return fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(/\s+/)
    .filter(Boolean)
    .map(Number);
}

function isRunning(pid: number): boolean {
  const status = fs.existsSync(`/proc/${pid}/status`) ? fs.readFileSync(`/proc/${pid}/status`, "utf8") : "";
  return status !== "" && !/^State:\s+Z/m.test(status);
}
