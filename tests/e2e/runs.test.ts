/** @file A run in a real browser: data uploaded, started, watched, paused, resumed, finished, its checkpoint chatted with. */
import fs from "node:fs/promises";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunOffer } from "@/server/runs/protocol";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, overflow, type Visitor, visitor } from "../helpers/browser";
import { answers, ask, makeAccount, textOf, untilEnded } from "../helpers/chat-page";
import { RemoteWorker } from "../helpers/remote-worker";
import { temporaryFolder } from "../helpers/temporary-folder";
import { tinyModelFolder } from "../helpers/tiny-model";

const totalSteps = 40;

let server: AttuneServer;
let browser: Browser;
let person: Visitor;
let page: Page;
let worker: RemoteWorker;
let run: RunOffer;
let sequence = 1;
let runPath = "";
let files: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  files = await temporaryFolder();
  // The worker of this test is to get the run, not the server's own trainer.
  server = await attuneServer({ env: { ATTUNE_MODEL: tinyModelFolder, ATTUNE_TRAINER: "off" } });
  browser = await launchBrowser();
  person = await visitor(browser, { baseURL: server.url });
  page = person.page;
  await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
});
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
  await files?.[Symbol.asyncDispose]();
});

test("the empty list says the next step, and a worker is let in with a token shown once", async () => {
  await page.goto("/admin/runs");
  await page.getByText("Upload demonstrations, choose a base").waitFor();
  await page.getByRole("link", { name: "Workers" }).click();
  await page.getByRole("button", { name: "Add a worker" }).click();
  await page.getByLabel("Name").fill("Machine next door");
  await page.getByRole("button", { name: "Make a token" }).click();
  const command = await page.getByLabel("Run this on the machine").inputValue();
  expect(command).toMatch(/^npx attune worker --url http\S+ --token atw_\S+$/);
  worker = new RemoteWorker(server.url, command.split(" ").at(-1) ?? "");
  worker.stages = ["sft"];
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("cell", { name: "never seen" }).waitFor();
});

test("a bad line is named by file and line, and a file without one becomes a dataset", async () => {
  const good = Array.from({ length: 30 }, (_, i) =>
    JSON.stringify({ prompt: `What is ${i}?`, response: `It is ${i}.` }),
  );
  const bad = path.join(files.path, "bad.jsonl");
  const fine = path.join(files.path, "answers.jsonl");
  await fs.writeFile(bad, [...good.slice(0, 3), '{"prompt": 3}', ...good.slice(3)].join("\n"));
  await fs.writeFile(fine, good.join("\n"));
  await page.goto("/admin/runs/new");
  await page.getByRole("button", { name: "Upload demonstrations" }).click();
  await page.getByLabel("Files").setInputFiles(bad);
  await page.getByRole("button", { name: "Upload the file" }).click();
  await page.getByText(/One line of bad\.jsonl is unfit:\s*line 4 /).waitFor();
  await page.getByLabel("Files").setInputFiles(fine);
  await page.getByRole("button", { name: "Upload the file" }).click();
  await expect.poll(() => page.getByRole("checkbox", { name: /answers/ }).isChecked()).toBe(true);
  await page.getByText("No run from this base has been timed here yet").waitFor();
});

test("a setting that does not fit is refused in place, and a good run waits in the queue", async () => {
  await page.getByLabel("Name", { exact: true }).fill("First try");
  const rate = page.getByLabel("Learning rate");
  await rate.fill("-1");
  // The browser itself would refuse it; what the server says is to be seen.
  await page.locator("form").evaluate((form: HTMLFormElement) => form.setAttribute("novalidate", ""));
  await page.getByRole("button", { name: "Put it into the queue" }).click();
  await page.getByText("Too small: expected number to be >0").waitFor();
  await expect.poll(() => rate.getAttribute("aria-invalid")).toBe("true");
  await rate.fill("0.0003");
  await page.getByRole("button", { name: "Put it into the queue" }).click();
  await page.getByRole("heading", { name: /First try/ }).waitFor();
  await page.getByText("queued").first().waitFor();
  runPath = new URL(page.url()).pathname;
});

test("what the worker tells is seen at once: state, curves, samples", async () => {
  run = await worker.claimSoon();
  expect(run.config).toMatchObject({ lr: 0.0003 });
  await page.getByText("running").first().waitFor();
  sequence = await worker.train(run, { from: 1, to: 10, totalSteps, sequence });
  await page.getByText("10 of 40 steps").waitFor();
  await page.getByRole("figure").filter({ hasText: "Loss" }).first().waitFor();
  await page.getByText("Said at step 10.").first().waitFor();
  await worker.uploadCopyOfBase(run, { step: 10, isBest: true });
  await page.getByRole("cell", { name: /^best/ }).waitFor();
  sequence = await worker.train(run, { from: 11, to: 20, totalSteps, sequence });
  const pair = page.getByRole("region", { name: "Samples" }).getByRole("listitem").first();
  await pair.getByText("Said at step 20.").waitFor();
  await pair.getByText("Said at step 10.").waitFor();
});

test("the crosshair goes by keyboard, and samples follow it", async () => {
  const slider = page.getByRole("slider", { name: "Step" });
  await slider.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowLeft");
  await page.getByRole("heading", { name: "Samples at step 10" }).waitFor();
  await page.getByText("The curves as a table").click();
  await page
    .getByRole("table", { name: "Curves" })
    .getByRole("columnheader", { name: "Validation loss" })
    .waitFor();
});

test("a reload shows the same, and the curves can be downloaded while it runs", async () => {
  await page.reload();
  await page.getByText("20 of 40 steps").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "CSV" }).first().click();
  const csv = await fs.readFile(await (await download).path(), "utf8");
  expect(csv.split("\r\n")[0]).toContain("loss");
  expect(csv.split("\r\n").length).toBeGreaterThan(20);
});

test("the server goes away and comes back: the open page says so, then catches up with what it missed", async () => {
  await server.kill();
  await page.getByText("The connection is lost.").waitFor({ timeout: 60_000 });
  await server.start();
  sequence = await worker.train(run, { from: 21, to: 25, totalSteps, sequence });
  await page.getByText("25 of 40 steps").waitFor({ timeout: 60_000 });
  await page.getByText("Said at step 25.").first().waitFor();
  await page.getByText("The connection is lost.").waitFor({ state: "detached" });
});

test("it is paused by key, the worker saves and lets go, and it is resumed", async () => {
  await page.keyboard.press("p");
  await page.getByText("pausing").first().waitFor();
  await expect.poll(async () => (await worker.heartbeat(run)).body.order).toBe("pause");
  await worker.uploadCopyOfBase(run, { step: 25, isBest: true });
  await worker.end(run, "release", { outcome: "paused", reason: "asked to" });
  await page.getByRole("button", { name: "Resume" }).click();
  run = await worker.claimSoon();
  expect(run.resume?.step).toBe(25);
  sequence = run.nextSequence;
});

test("an incident is marked, the run finishes, and a notification says so", async () => {
  await worker.events(run, [
    {
      sequence: sequence++,
      type: "incident",
      what: "nonFiniteStep",
      text: "Step 26 was left out.",
      step: 26,
    },
  ]);
  sequence = await worker.train(run, { from: 27, to: totalSteps, totalSteps, sequence });
  await page.getByText("1 incident, told in the timeline").waitFor();
  const checkpointId = await worker.uploadCopyOfBase(run, { step: totalSteps, isBest: true });
  await worker.end(run, "complete", { checkpointId, summary: { validationLoss: 1.2 } });
  await page.getByText("finished").first().waitFor();
  await page.getByText("Step left out: Step 26 was left out.").waitFor();
  await page.getByRole("link", { name: /Notifications/ }).click();
  await page
    .getByText(/finished/)
    .first()
    .waitFor();
  await page.getByRole("button", { name: "Mark all as read" }).click();
  await page
    .getByRole("status")
    .getByText(/\d+ unread/)
    .waitFor({ state: "detached" });
});

test("a clone begins with the other's settings, and the two are compared", async () => {
  await page.goto(runPath);
  await page.getByRole("link", { name: "Clone" }).click();
  await page.getByRole("heading", { name: /Clone of run/ }).waitFor();
  await expect.poll(() => page.getByLabel("Learning rate").inputValue()).toBe("0.0003");
  await page.getByLabel("Epochs").fill("3");
  await page.getByText("the median of 1 earlier run from this base").waitFor();
  await page.getByRole("button", { name: "Put it into the queue" }).click();
  await page.getByRole("heading", { name: /First try \(clone\)/ }).waitFor();
  await page.getByRole("link", { name: "Runs", exact: true }).first().click();
  const boxes = page.getByRole("checkbox", { name: /^Compare run/ });
  await boxes.nth(1).waitFor();
  for (const box of await boxes.all()) await box.check();
  await page.getByRole("link", { name: "Compare 2 runs" }).click();
  await page.getByRole("row", { name: /epochs/ }).waitFor();
  await page.getByRole("figure").filter({ hasText: "Validation loss" }).waitFor();
});

test("cancelling asks for the name, and is for good", async () => {
  await page.goto("/admin/runs");
  await page.getByRole("link", { name: /\(clone\)/ }).click();
  await page.getByRole("button", { name: "More acts on this run" }).click();
  await page.getByRole("menuitem", { name: "Cancel for good…" }).click();
  const dialog = page.getByRole("dialog");
  const button = dialog.getByRole("button", { name: "Cancel the run" });
  await expect.poll(() => button.isDisabled()).toBe(true);
  await dialog.getByLabel(/type its name/).fill("First try (clone)");
  await button.click();
  await page.getByText("cancelled").first().waitFor();
});

test("its checkpoint chats beside the live policy", async () => {
  await page.goto(runPath);
  await page.getByRole("link", { name: "Chat with this" }).first().click();
  await page.getByRole("heading", { name: "First try beside the live policy" }).waitFor();
  await ask(page, "Say hello.");
  await expect.poll(() => answers(page).count()).toBe(2);
  for (const answer of await answers(page).all()) {
    await untilEnded(answer);
    await expect.poll(() => textOf(answer)).not.toBe("");
  }
});

test("the pages of a run are accessible in light and dark, and no wider than a phone", async () => {
  await page.goto("/admin/datasets");
  const dataset = await page.getByRole("link", { name: "answers" }).getAttribute("href");
  await page.goto("/admin/runs");
  const boxes = page.getByRole("checkbox", { name: /^Compare run/ });
  await boxes.nth(1).waitFor();
  for (const box of await boxes.all()) await box.check();
  const comparison = await page.getByRole("link", { name: "Compare 2 runs" }).getAttribute("href");
  await page.goto(runPath);
  const beside = await page.getByRole("link", { name: "Chat with this" }).first().getAttribute("href");
  for (const at of [runPath, "/admin/runs", comparison ?? "", dataset ?? "", "/admin/models", beside ?? ""]) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(at);
    await page.locator("h1").waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 700 });
    await expect
      .poll(() => overflow(page), { message: `${at} is wider than the screen` })
      .toBeLessThanOrEqual(0);
  }
});

test("no page had an error in the console or a policy violation", () => {
  // Chromium reports what this test brought about on purpose: refusals, and the time without a server.
  const expected = /ERR_CONNECTION|ERR_SOCKET_NOT_CONNECTED|ERR_INCOMPLETE|ERR_EMPTY|status of 400/;
  expect(person.problems.filter((problem) => !expected.test(problem))).toEqual([]);
});
