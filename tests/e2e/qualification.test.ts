/** @file From practice to work in a real browser: a lead makes a test of known answers, a labeler practises, sits it, passes, works. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { makeAccount } from "../helpers/chat-page";
import { seedStopped } from "../helpers/label-server";
import { makeBatch } from "../helpers/labeling";
import { makeKnown } from "../helpers/qualifying";
import { tinyModelFolder } from "../helpers/tiny-model";

let server: AttuneServer;
let browser: Browser;
let person: Visitor;
let page: Page;

beforeAll(async () => {
  server = await attuneServer({ env: { ATTUNE_MODEL: tinyModelFolder, ATTUNE_TRAINER: "off" } });
  browser = await launchBrowser();
  person = await visitor(browser, { baseURL: server.url, width: 1366, height: 768 });
  page = person.page;
  await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
  await page.goto("about:blank"); // A page that is open would miss the server.
  await seedStopped(server, async (db) => {
    await makeBatch(db, { name: "Work", hasRatings: true });
    await makeKnown(db, { name: "Practice", purpose: "practice" });
    await makeBatch(db, { name: "Ranked before", status: "closed", closedAt: new Date() });
  });
});
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

const heading = (name: string | RegExp) => page.getByRole("heading", { name });

/** Rates all four, flags the one that says D, and ranks them A to D, whatever letters the screen gives them. */
async function answerByText(): Promise<void> {
  const texts: string[] = [];
  for (const letter of "ABCD") {
    const pane = page.getByRole("region", { name: `Response ${letter}`, exact: true });
    await pane.waitFor();
    const [, text = ""] = /Response ([ABCD])\s*$/.exec((await pane.textContent()) ?? "") ?? [];
    texts.push(text);
    if (text === "D") await page.keyboard.press("v");
    await page.keyboard.press("4");
    await page.keyboard.press("Enter");
  }
  expect(texts.toSorted()).toEqual(["A", "B", "C", "D"]);
  await page.getByText("0 of 4 placed").waitFor();
  for (const [index, text] of texts.entries()) {
    const rank = 1 + texts.slice(0, index).filter((earlier) => earlier < text).length;
    await page.keyboard.press(String(rank));
  }
  await page.getByText("4 of 4 placed").waitFor();
  await page.keyboard.press("Enter");
}

test("a lead makes a test out of tasks that are there", async () => {
  await page.goto("/admin/qualification");
  await page.getByText("Nobody has sat a test yet").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("link", { name: "New test" }).click();
  await page.getByLabel("Name").fill("Entrance");
  await page.getByLabel("Tasks from").selectOption({ label: "Ranked before" });
  await page.getByLabel("Demonstrations", { exact: true }).fill("0");
  await page.getByLabel("Areas of competence").fill("Law\nCode\n");
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Make the batch" }).click();
  await heading("Entrance").waitFor();
  await page.getByText("no known answer yet").waitFor();
});

test("it is not opened before its known answers are set", async () => {
  const open = page.getByRole("button", { name: "Open it to labelers" });
  await open.click();
  await page.getByText("1 of 1 tasks have no known answer").first().waitFor();
  await page.getByRole("button", { name: "Known answer of task 1" }).click();
  const dialog = page.getByRole("dialog", { name: "Known answer" });
  for (const [index, letter] of [..."ABCD"].entries()) {
    await dialog.getByLabel(`Rank of ${letter}`).selectOption(String(index + 1));
  }
  await dialog.getByText("Flags of D: none").click();
  await dialog.getByRole("region", { name: "Response D" }).getByLabel("Violent content").check();
  await dialog.getByLabel("Explanation").fill("The **alphabet**.");
  expect(await seriousFindings(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Keep as the known answer" }).click();
  await page.getByText("known answer", { exact: true }).waitFor();
  await open.click();
  await page.getByText("Qualification test: Ranking, open").waitFor();
  // The browser itself writes down that the first opening was refused.
  expect(person.problems.splice(0)).toEqual([expect.stringMatching(/status of 409/)]);
});

test("work is refused now; practice explains where one differed", async () => {
  await page.goto("/label");
  await page.getByRole("button", { name: "I agree" }).click();
  await heading("You are not qualified yet").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("link", { name: "Practise" }).click();
  await page.getByText("4 of 4 to rate").waitFor();
  for (let rated = 0; rated < 4; rated++) {
    await page.keyboard.press("4");
    await page.keyboard.press("Enter");
  }
  await page.getByText("0 of 4 placed").waitFor();
  for (let placed = 0; placed < 4; placed++) await page.keyboard.press(placed === 0 ? "1" : "=");
  await page.getByText("4 of 4 placed").waitFor();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "How this one was meant" });
  await dialog.getByText("Where you differed").waitFor();
  await expect.poll(() => dialog.getByText(/is better than .*; you tied them/).count()).toBe(6);
  await dialog.getByText(/Violent content; you set none/).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Next task" }).click();
  await page.getByText("There is no practice task left for you").waitFor();
  await page.getByRole("link", { name: "Qualification" }).click();
});

test("the test is sat in the console, handed in, and passed", async () => {
  await page.getByText("1 task to rate and rank").waitFor();
  await page.getByLabel("Code").check();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Begin the test" }).click();
  await heading("Entrance").waitFor();
  await page.getByText("1 of 1", { exact: true }).waitFor();
  await expect.poll(() => page.getByRole("button", { name: "Skip" }).count()).toBe(0);
  await answerByText();
  await heading("Everything is answered").waitFor();
  await page.getByRole("link", { name: "Go and hand it in" }).click();
  await page.getByText("1 of 1 tasks answered").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Hand the test in" }).click();
  await heading("Your last sitting: passed").waitFor();
  await page.getByRole("row", { name: /Rankings.* 100 % 6 pairs 75 % reached/ }).waitFor();
  await page.getByRole("row", { name: /Flags.* 100 % 4 decisions 75 % reached/ }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
});

test("then work is given", async () => {
  await page.getByRole("link", { name: "To the work" }).click();
  await page.getByRole("heading", { name: "Work", exact: true }).waitFor();
  await page.getByText("4 of 4 to rate").waitFor();
});

test("a lead reads the answers behind the figures, and takes the pass back with a reason", async () => {
  await page.goto("/admin/qualification");
  await page.getByRole("row", { name: /Ada Admin.*100 %.*passed/ }).waitFor();
  await page.getByRole("row", { name: /Code 1/ }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Answers of Ada Admin" }).click();
  const dialog = page.getByRole("dialog", { name: "Ada Admin: passed" });
  await dialog.getByRole("row", { name: /D Response D 4 4 violent violent/ }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await dialog.getByLabel("Decide otherwise than the cut-offs").fill("Sat it with help.");
  await dialog.getByRole("button", { name: "Take it back" }).click();
  await page.getByText("by Ada Admin: Sat it with help.").waitFor();
  await page.goto("/label");
  await heading("You are not qualified yet").waitFor();
  await page.getByRole("link", { name: "Qualification" }).click();
  await heading("Not again yet").waitFor();
  await page.getByText("Sat it with help.").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
});

test("nothing went wrong in the console, and no policy was violated", () => {
  expect(person.problems).toEqual([]);
});
