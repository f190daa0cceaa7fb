/** @file The labeler's day in a real browser: ranked by keyboard alone, by buttons, by dragging; drafts, double submits. */
import { eq, inArray } from "drizzle-orm";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { prompts, rankingTasks, taskResponses } from "@/drizzle/schema";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { makeAccount } from "../helpers/chat-page";
import { longAnswer, seedStopped } from "../helpers/label-server";
import { makeBatch } from "../helpers/labeling";
import { tinyModelFolder } from "../helpers/tiny-model";

let server: AttuneServer;
let browser: Browser;
let person: Visitor;
let page: Page;
let pressed = 0;

beforeAll(async () => {
  server = await attuneServer({ env: { ATTUNE_MODEL: tinyModelFolder, ATTUNE_TRAINER: "off" } });
  browser = await launchBrowser();
  person = await visitor(browser, { baseURL: server.url, width: 1366, height: 768 });
  page = person.page;
  await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
  await page.goto("about:blank"); // A page that is open would miss the server.
  await seedStopped(server, async (db) => {
    await makeBatch(db, { name: "Nine", tasks: 4, k: 9, priority: 9, textOf: longAnswer });
    await makeBatch(db, { name: "Rated", k: 4, priority: 8, hasRatings: true });
    await makeBatch(db, { name: "Pair", task: "pairwise", k: 2, priority: 7 });
    await makeBatch(db, { name: "Bad", k: 4, priority: 5 });
    const hard = await makeBatch(db, { name: "Hard", k: 4, priority: 6 });
    await db
      .update(prompts)
      .set({ isSensitive: true })
      .where(
        inArray(
          prompts.id,
          hard.tasks.map(({ promptId }) => promptId),
        ),
      );
    const practice = await makeBatch(db, { name: "Practice", purpose: "practice", k: 4 });
    for (const { taskId } of practice.tasks) {
      await db
        .update(rankingTasks)
        .set({ isGold: true, explanation: "The first is **shortest**." })
        .where(eq(rankingTasks.id, taskId));
      await db.update(taskResponses).set({ goldRank: 1 }).where(eq(taskResponses.taskId, taskId));
    }
  });
});
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

async function press(...keys: string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
  pressed += keys.length;
}

const batchName = (name: string) => page.getByRole("heading", { level: 1, name, exact: true });
const progress = (text: string) => page.getByText(text);
const card = (letter: string) =>
  page.getByRole("region", { name: "Board" }).getByRole("button", { name: new RegExp(`^${letter} `) });
const rankOf = async (letter: string) =>
  / rank (\d+)/.exec((await card(letter).textContent()) ?? "")?.[1] ?? null;
/** Waits for another task of nine with nothing placed. */
const freshNine = async () => {
  await batchName("Nine").waitFor();
  await progress("0 of 9 placed").waitFor();
};

test("the agreement comes first, then the first task", async () => {
  await page.goto("/label");
  await page.getByRole("heading", { name: "Before your first task" }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "I agree" }).click();
  await freshNine();
});

test("nine are ranked by keyboard alone in ten presses, and the next task is there at once", async () => {
  expect(await seriousFindings(page)).toEqual([]);
  pressed = 0;
  await press("1", "1", "2", "4", "1", "6", "3", "1", "5");
  await progress("9 of 9 placed").waitFor();
  expect(await Promise.all([..."HEBI"].map(rankOf))).toEqual(["1", "2", "3", "5"]);
  const began = performance.now();
  await press("Enter");
  await freshNine();
  expect(pressed).toBe(10);
  expect(performance.now() - began).toBeLessThan(5_000);
});

test("ties, nudges, undo and the side-by-side view by keyboard, each move announced", async () => {
  const said = page.locator("main [role=status]").first();
  const says = (text: string) => expect.poll(() => said.textContent()).toBe(text);
  await press("1");
  await says("A: rank 1 of 1.");
  await press("2", "=", "1");
  await says("C: rank 1 of 2, tied with A.");
  await press("u");
  await expect.poll(() => rankOf("C")).toBe(null);
  await press("c");
  await page.getByText("Your choice puts C right above").waitFor();
  await page.getByText("Marked words stand in only one").first().waitFor({ state: "attached" });
  expect(await page.evaluate(() => CSS.highlights.get("word-difference")?.size ?? 0)).toBeGreaterThan(3);
  expect(await seriousFindings(page)).toEqual([]);
  await press("ArrowLeft");
  await says("C: rank 2 of 3.");
  await press("k", "ArrowUp");
  await says("B: rank 2 of 3.");
  await press("g");
  await page.getByRole("dialog", { name: /Guidelines, version 1/ }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await press("Escape");
  await press("?");
  await page.getByRole("dialog", { name: "Keys on this page" }).waitFor();
  await press("Escape");
});

test("a draft is kept: another page goes on where this one was left", async () => {
  await page.getByText("draft saved").waitFor();
  await page.reload();
  await progress("3 of 9 placed").waitFor();
  expect(await Promise.all([..."ABC"].map(rankOf))).toEqual(["1", "2", "3"]);
});

test("the rest is placed by mouse: buttons, and a card dragged to a rank", async () => {
  for (const letter of "DEFGH") {
    await card(letter).click();
    await page.getByRole("button", { name: `Place ${letter} at rank 1`, exact: true }).click();
  }
  await page.mouse.move(0, 0);
  await progress("8 of 9 placed").waitFor();
  // Measured once they stand still: until then the others make room.
  for (const letter of "IA") await card(letter).hover({ trial: true });
  const [from, to] = [await card("I").boundingBox(), await card("A").boundingBox()];
  if (!from || !to) throw new Error("A card is not on the screen.");
  await page.mouse.move(from.x + 20, from.y + 10);
  await page.mouse.down();
  await page.mouse.move(to.x + to.width / 2, to.y + 40, { steps: 8 });
  await page.mouse.up();
  await expect.poll(() => rankOf("I")).toBe(await rankOf("A"));
  await progress("9 of 9 placed").waitFor();
});

test("a double press of Submit submits once", async () => {
  let submits = 0;
  page.on("request", (request) => {
    if (request.url().includes("labeling.submit")) submits += 1;
  });
  await page.getByRole("button", { name: "Submit" }).dblclick();
  await freshNine();
  expect(submits).toBe(1);
});

test("two tabs with one task submit it once, and both go on", async () => {
  const other = await person.newTab();
  await other.goto("/label");
  await other.getByText("0 of 9 placed").waitFor();
  for (const tab of [page, other]) for (let i = 0; i < 9; i++) await tab.keyboard.press("1");
  await other.keyboard.press("Enter");
  await other.getByText("0 of 9 placed").waitFor();
  await press("Enter");
  await progress("0 of 9 placed").waitFor();
  await other.close();
  // The browser itself writes down that a draft was refused: an older one, or one of a task that is submitted.
  expect(person.problems.splice(0).filter((problem) => !/status of 40[49]/.test(problem))).toEqual([]);
  await page.goto("/label/work");
  await page.getByText(/In all 3 tasks, 107 comparisons and 1 tie /).waitFor();
});

test("guided, nine take at most 21 choices and show the order as it grows", async () => {
  await page.goto("/label");
  await freshNine();
  await press("m");
  await page.getByText("At most 21 choices").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  pressed = 0;
  const placed = page.getByText("9 of 9 placed");
  while ((await placed.count()) === 0) await press("ArrowRight");
  expect(pressed).toBeLessThanOrEqual(21);
  await press("x", "Enter");
  await page.getByRole("textbox", { name: "Your answer" }).waitFor();
});

test("none acceptable opens a demonstration, begun from a response, pasted text counted", async () => {
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Begin from this one" }).click();
  const answer = page.getByRole("textbox", { name: "Your answer" });
  await expect.poll(() => answer.inputValue()).toContain("answer number");
  await page.evaluate(() => navigator.clipboard.writeText("Pasted."));
  await answer.press("ControlOrMeta+v");
  await page.getByText("7 pasted").waitFor();
  await answer.press("Control+Enter");
  await batchName("Rated").waitFor();
});

test("rating comes first; a ranking against the ratings is pointed out, and may be meant", async () => {
  expect(await seriousFindings(page)).toEqual([]);
  await press("2", "f", "Enter", "7", "Enter", "7", "Enter", "7");
  await page.getByRole("button", { name: "A 2/7 · 1" }).waitFor();
  await press("Enter", "m");
  await page.getByRole("region", { name: "Board" }).waitFor();
  // The guided mode had placed A before the board was opened: B, C and D go around it.
  await press("1", "2", "3", "4", "Enter");
  const dialog = page.getByRole("dialog", { name: "The ranking contradicts your ratings" });
  await dialog.getByText("A (rated 2) stands above D (rated 7)").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await press("Tab", "Enter");
  await dialog.waitFor({ state: "detached" });
  await press("Enter");
  await dialog.getByRole("button", { name: "Submit all the same" }).click();
  await batchName("Pair").waitFor();
});

test("of two, one is chosen by an arrow", async () => {
  await press("Enter");
  await expect
    .poll(() => page.locator("main [role=status]").first().textContent())
    .toBe("Choose one first, or a tie.");
  const missing = page.getByRole("contentinfo").getByText("Choose one first, or a tie.");
  await missing.waitFor();
  await press("b");
  await missing.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Both bad", pressed: true }).waitFor();
  await press("ArrowLeft", "Enter");
  await batchName("Hard").waitFor();
});

test("sensitive text is covered until opened; a question keeps the draft; skipping needs a reason", async () => {
  await page.getByRole("heading", { name: "This task holds sensitive text" }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await press("Enter", "1", "q");
  await page.getByRole("dialog", { name: "Ask about this task" }).waitFor();
  await page.keyboard.type("Does tone count?");
  await page.getByRole("dialog").getByRole("button", { name: "Ask" }).click();
  await page.getByText("Asked. The answer appears").first().waitFor();
  await progress("1 of 4 placed").waitFor();
  await press("s");
  await page.getByRole("dialog", { name: "Skip this task" }).waitFor();
  // Enter picks no reason by itself.
  await press("Enter", "1");
  await batchName("Bad").waitFor();
});

test("a report by two keys pulls the prompt, and the lead sees it", async () => {
  await press("r");
  await page.getByRole("dialog", { name: "Report this task" }).waitFor();
  await press("2");
  await page.getByRole("heading", { name: "No task for you right now" }).waitFor();
  await page.goto("/admin/prompts");
  await page.getByLabel("State").selectOption("reported");
  await page.getByRole("list", { name: "Prompts" }).getByText("reported", { exact: true }).waitFor();
});

test("practice explains itself after the submit", async () => {
  await page.goto("/label?purpose=practice");
  await batchName("Practice").waitFor();
  await press("1", "2", "3", "4", "Enter");
  await page.getByRole("dialog", { name: "How this one was meant" }).getByText("shortest").waitFor();
});

test("one's own work shows figures and questions, and a ranking is done again as it was left", async () => {
  await page.goto("/label/work");
  await page.getByText("Does tone count?").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page
    .getByRole("button", { name: /^Do again: Question 0 of/ })
    .last()
    .click();
  await batchName("Nine").waitFor();
  await progress("9 of 9 placed").waitFor();
});

test("no page scrolls or is wider than the screen, on a laptop, a tablet and a phone", async () => {
  for (const [width, height] of [
    [1366, 768],
    [820, 1180],
    [390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    const overflow = await page.evaluate(() => {
      const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
      return [scrollWidth - clientWidth, scrollHeight - clientHeight];
    });
    expect(overflow).toEqual([0, 0]);
  }
});

test("done again, it is a version of its own, which the lead sees", async () => {
  await page.setViewportSize({ width: 1366, height: 768 });
  await press("2", "Enter");
  await page.getByRole("heading", { name: "No task for you right now" }).waitFor();
  await page.goto("/admin/batches");
  await page.getByRole("link", { name: "Nine" }).click();
  await page.getByRole("tab", { name: "Rankings" }).click();
  await page.getByText(/version 2/).waitFor();
});

test("a labeler finds the way to work beside the chat", async () => {
  await page.goto("/");
  await page.getByRole("link", { name: "Label", exact: true }).click();
  await page.getByRole("heading", { name: "No task for you right now" }).waitFor();
});

test("nothing went wrong in the console, and no policy was violated", () => {
  expect(person.problems).toEqual([]);
});
