/** @file The agreement page of a lead, in a browser: empty, then with rankings; keyboard, phone, light and dark. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { labelerGroups, rankedResponses, rankings } from "@/drizzle/schema";
import type { Db } from "@/server/db/db";
import { openDatabase } from "@/server/db/open-database";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { makeAccount } from "../helpers/chat-page";
import { makeBatch, makeLabeler } from "../helpers/labeling";

let server: AttuneServer;
let browser: Browser;
let lead: Visitor;

beforeAll(async () => {
  server = await attuneServer();
  browser = await launchBrowser();
  lead = await visitor(browser, { baseURL: server.url });
  await makeAccount(lead.page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
});
afterAll(async () => {
  await lead?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

/** Seven labelers, one of them held out, rank twelve tasks; the third one swaps two responses more often than others. */
async function fill(db: Db): Promise<void> {
  const { tasks } = await makeBatch(db, { name: "First batch", tasks: 12, overlap: 7 });
  const [group] = await db.insert(labelerGroups).values({ name: "Judges", isHeldOut: true }).returning();
  for (let person = 0; person < 7; person++) {
    const groupId = person === 6 ? (group?.id ?? null) : null;
    const { id: labelerId } = await makeLabeler(db, { pseudonym: `labeler-${person}`, groupId });
    for (const [index, { taskId, responseIds }] of tasks.entries()) {
      const createdAt = new Date(Date.UTC(2026, 2, 2 + 3 * index));
      const values = { taskId, labelerId, groupId, pseudonym: `labeler-${person}`, createdAt };
      const [ranking] = await db
        .insert(rankings)
        .values({ ...values, mode: "board", guidelinesVersion: 1, responseOrder: responseIds })
        .returning({ id: rankings.id });
      const isSwapped = (index * (person + 3)) % 5 === 1 || (person === 2 && index % 2 === 0);
      const ranks = isSwapped ? [2, 1, 4, 3] : [1, 2, 3, 3];
      await db.insert(rankedResponses).values(
        responseIds.map((responseId, place) => ({
          rankingId: ranking?.id ?? "",
          responseId,
          rank: ranks[place] ?? 4,
        })),
      );
    }
  }
}

test("agreement: says what to do while there is nothing, then shows figures, plots and the hardest tasks", async () => {
  const { page } = lead;
  await page.goto("/admin/agreement");
  await page.getByText("Nothing can be compared yet.").waitFor();

  // A page that is open would miss the server.
  await page.goto("about:blank");
  await server.stop();
  const opened = await openDatabase({ dataFolder: server.dataFolder, purpose: "a test" });
  await fill(opened.db);
  await opened.close();
  await server.start();

  await page.goto("/admin/agreement");
  await page.getByText("From 84 rankings of 12 tasks by 7 labelers").waitFor();
  const kinds = page.getByRole("table", { name: "Agreement by kind" });
  expect(await kinds.getByRole("row", { name: /^All labelers/ }).textContent()).toMatch(
    /\d\d\.\d % \[\d\d\.\d, \d\d\.\d\].*95 % interval over 7 labelers/,
  );
  expect(await kinds.getByRole("row", { name: /InstructGPT, held-out labelers/ }).textContent()).toContain(
    "77.3 % [76.0, 78.6]",
  );
  expect(
    await page.getByRole("table", { name: "Agreement by pair of labelers" }).getByRole("row").count(),
  ).toBe(22);
  const before = await kinds.textContent();
  await page.getByLabel("Ties").selectOption("half");
  await expect.poll(() => kinds.textContent(), { timeout: 20_000 }).not.toBe(before);

  const hardest = page.locator("details").first();
  await hardest.locator("summary").focus();
  await page.keyboard.press("Enter");
  await hardest.getByRole("columnheader", { name: "labeler-6 (held out)" }).waitFor();
  await hardest.getByLabel("Right", { exact: true }).selectOption("Response D");
  await hardest.getByRole("region", { name: "Right response" }).getByText("Response D").waitFor();
  expect(await seriousFindings(page)).toEqual([]);

  await page.setViewportSize({ width: 390, height: 800 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  expect(lead.problems).toEqual([]);
});
