/** @file A person's day with Attune, in a real browser against the compiled server and a real model. */
import fs from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import {
  answers,
  ask,
  composer,
  makeAccount,
  questions,
  textOf,
  untilBegun,
  untilEnded,
} from "../helpers/chat-page";

const long = "Write a very long story about a lighthouse keeper, a storm and a map. Take your time.";
const short = "Say hello.";

let server: AttuneServer;
let browser: Browser;
let person: Visitor;
let page: Page;

beforeAll(async () => {
  server = await attuneServer();
  browser = await launchBrowser();
  person = await visitor(browser, { baseURL: server.url });
  page = person.page;
});
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

test("the set-up link makes the first admin, once", async () => {
  await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
  await using other = await visitor(browser, { baseURL: server.url });
  await other.page.goto(server.setupUrl ?? "");
  await other.page.getByRole("heading", { name: "This link does not work" }).waitFor();
});

test("consent is asked once, off until answered", async () => {
  await page.getByRole("heading", { name: "May your conversations help improve the assistant?" }).waitFor();
  await page.getByText("Chats are not used").waitFor();
  await page.getByRole("button", { name: "No, keep them out" }).click();
  await page.getByText("May your conversations help improve").waitFor({ state: "detached" });
  await page.reload();
  // The answer is shown where the question would be.
  await page.getByText("Chats are not used").waitFor();
  await expect.poll(() => page.getByText("May your conversations help improve").count()).toBe(0);
});

test("an answer streams, is stopped, and what came is kept", async () => {
  const answer = await ask(page, long);
  await untilBegun(answer);
  await page.getByRole("button", { name: "Stop the answer" }).click();
  await untilEnded(answer);
  await page.getByText("Stopped by you.").waitFor();
  const kept = await textOf(answer);
  expect(kept.length).toBeGreaterThan(0);
  await page.reload();
  await expect.poll(() => textOf(answers(page).last())).toBe(kept);
});

test("a stopped answer is continued from where it stopped", async () => {
  const answer = answers(page).last();
  const kept = await textOf(answer);
  await page.getByRole("button", { name: "Continue" }).click();
  await expect
    .poll(async () => (await textOf(answer)).length, { timeout: 30_000 })
    .toBeGreaterThan(kept.length);
  await expect.poll(async () => (await textOf(answer)).startsWith(kept)).toBe(true);
  await page.getByRole("button", { name: "Stop the answer" }).click();
  await untilEnded(answer);
});

test("a reload in the middle of a stream goes on with it, and a second tab sees the same", async () => {
  await page.goto("/");
  const answer = await ask(page, long);
  await untilBegun(answer);
  const before = await textOf(answer);
  await page.reload();
  const again = answers(page).last();
  await untilBegun(again);
  const secondTab = await person.newTab();
  await secondTab.goto(page.url());
  const seen = answers(secondTab).last();
  await untilBegun(seen);
  await expect.poll(async () => (await textOf(again)).startsWith(before.slice(0, 30))).toBe(true);
  await expect
    .poll(async () => (await textOf(again)).length, { timeout: 30_000 })
    .toBeGreaterThan(before.length);
  await page.getByRole("button", { name: "Stop the answer" }).click();
  await Promise.all([untilEnded(again), untilEnded(seen)]);
  const whole = await textOf(again);
  await expect.poll(() => textOf(seen)).toBe(whole);
  await secondTab.close();
});

test("another answer stands beside the first, and the person says which is better", async () => {
  await page.goto("/");
  const answer = await ask(page, short);
  await stopIfLong(answer);
  await page.getByRole("button", { name: "Another answer" }).last().click();
  await page.getByRole("status", { name: "answer 2 of 2" }).waitFor();
  await stopIfLong(answers(page).last());
  await page.getByRole("button", { name: "Better", exact: true }).click();
  await page.getByRole("button", { name: "Better", exact: true, pressed: true }).waitFor();
  await page.getByRole("button", { name: "Previous answer" }).click();
  await page.getByRole("status", { name: "answer 1 of 2" }).waitFor();
  await page.getByRole("button", { name: "Next answer" }).click();
});

test("an edited question begins a branch, and the old one is still there", async () => {
  await questions(page).last().hover();
  await page.getByRole("button", { name: "Edit the question" }).last().click();
  await page.getByRole("textbox", { name: "Edit the question" }).fill("Say goodbye.");
  await page.getByRole("button", { name: "Ask again" }).click();
  await page.getByRole("status", { name: "question 2 of 2" }).waitFor();
  await stopIfLong(answers(page).last());
  await page.getByRole("button", { name: "Previous question" }).click();
  await questions(page).filter({ hasText: short }).waitFor();
  await page.reload();
  await page.getByRole("status", { name: "question 1 of 2" }).waitFor();
});

test("feedback with reasons and a correction is kept", async () => {
  const answer = answers(page).last();
  await answer.hover();
  await answer.getByRole("button", { name: "Bad answer" }).click();
  const form = page.getByRole("form", { name: "Feedback on this answer" });
  // The box itself is for screen readers; its label is what one sees and clicks.
  await form.locator("fieldset label").first().click();
  await expect.poll(() => form.getByRole("checkbox").first().isChecked()).toBe(true);
  await form.getByLabel("What it should have said").fill("Hello!");
  await form.getByRole("button", { name: "Save feedback" }).click();
  await form.waitFor({ state: "detached" });
  await page.reload();
  await answers(page).last().getByRole("button", { name: "Bad answer", pressed: true }).waitFor();
});

test.each([
  ["the conversation as it was read before the thumb", /conversations\.get/],
  ["the reply to the stop", /chat\.stop/],
])("a thumb on an answer that has just ended stays, though %s comes late", async (_name, late) => {
  await page.goto("/");
  const answer = await ask(page, long);
  await untilBegun(answer);
  // Answered by the server at once, before it knows of the thumb; seen by the page after it.
  const held: Promise<void>[] = [];
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route(late, async (route) => {
    const response = await route.fetch();
    // The page drops what it asked for when it asks anew.
    const delivered = released.then(() => route.fulfill({ response })).catch(() => {});
    held.push(delivered);
    await delivered;
  });
  await page.getByRole("button", { name: "Stop the answer" }).click();
  await untilEnded(answer);
  await expect.poll(() => held.length).toBeGreaterThan(0);
  const given = page.waitForResponse(/feedback\.give/);
  await answer.getByRole("button", { name: "Bad answer" }).click();
  const form = page.getByRole("form", { name: "Feedback on this answer" });
  await form.waitFor();
  await given;
  release();
  await Promise.all(held);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  // What came late is on the screen by now.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 200)));
  expect(await form.count()).toBe(1);
  await answer.getByRole("button", { name: "Bad answer", pressed: true }).waitFor();
});

test("search finds a conversation by what was said in it", async () => {
  await page.getByPlaceholder("Search").fill("lighthouse");
  const results = page.getByRole("list", { name: "Search results" });
  await results.getByRole("link").first().click();
  await questions(page).filter({ hasText: "lighthouse" }).first().waitFor();
});

test("a conversation is renamed, pinned, archived and brought back", async () => {
  const menu = page.getByRole("button", { name: "More actions" });
  await menu.click();
  await page.getByRole("menuitem", { name: "Rename" }).click();
  const title = page.getByRole("textbox", { name: "Title of the conversation" });
  await title.fill("The lighthouse");
  await title.press("Enter");
  await page.getByRole("heading", { name: "The lighthouse" }).waitFor();
  await menu.click();
  await page.getByRole("menuitem", { name: "Pin", exact: true }).click();
  await page.getByRole("region", { name: "Pinned" }).getByRole("link", { name: "The lighthouse" }).waitFor();
});

test("a deleted conversation comes back by undo", async () => {
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("link", { name: "The lighthouse" }).first().waitFor();
});

test("a conversation is exported as Markdown and as JSON", async () => {
  await page.getByRole("link", { name: "The lighthouse" }).first().click();
  await page.getByRole("heading", { name: "The lighthouse" }).waitFor();
  for (const [name, expected] of [
    ["Export as Markdown", /lighthouse keeper/],
    ["Export as JSON", /"role": ?"user"/],
  ] as const) {
    await page.getByRole("button", { name: "More actions" }).click();
    const downloading = page.waitForEvent("download");
    await page.getByRole("menuitem", { name }).click();
    const file = await (await downloading).path();
    expect(await fs.readFile(file, "utf8")).toMatch(expected);
  }
});

test("a temporary chat answers and leaves no trace", async () => {
  await page.goto("/temporary");
  const field = composer(page);
  await field.fill("Remember the word xylophone.");
  await field.press("Enter");
  const answer = answers(page).last();
  await untilBegun(answer);
  await stopIfLong(answer);
  page.once("dialog", (dialog) => void dialog.accept());
  await page.goto("/");
  await composer(page).waitFor();
  await page.getByPlaceholder("Search").fill("xylophone");
  await page
    .getByText(/nothing|no conversation/i)
    .first()
    .waitFor();
  const results = page.getByRole("list", { name: "Search results" });
  await expect.poll(() => results.getByRole("link").count()).toBe(0);
});

test("nothing went wrong in the console and no policy was violated, all day", () => {
  expect(person.problems).toEqual([]);
});

/** Small models ramble: the first words are enough. */
async function stopIfLong(answer: ReturnType<typeof answers>): Promise<void> {
  await untilBegun(answer);
  const stop = page.getByRole("button", { name: "Stop the answer" });
  if (await stop.isVisible()) await stop.click({ timeout: 2_000 }).catch(() => {});
  await untilEnded(answer);
}
