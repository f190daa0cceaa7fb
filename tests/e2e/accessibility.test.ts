/** @file Every page, in light and dark: no serious finding by axe, nothing wider than a phone, nothing in the console. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, overflow, type Visitor, visitor } from "../helpers/browser";
import { answers, ask, makeAccount, untilBegun, untilEnded } from "../helpers/chat-page";

let server: AttuneServer;
let browser: Browser;
let person: Visitor;
/** A conversation with an answer, of the person who looks. */
let conversation = "";

beforeAll(async () => {
  server = await attuneServer();
  browser = await launchBrowser();
  person = await visitor(browser, { baseURL: server.url });
  const { page } = person;
  expect(await findingsAt(page, server.setupUrl ?? "")).toEqual([]);
  await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
  const answer = await ask(page, "Write a numbered list of three fruits.");
  await untilBegun(answer);
  await page
    .getByRole("button", { name: "Stop the answer" })
    .click({ timeout: 3_000 })
    .catch(() => {});
  await untilEnded(answer);
  conversation = new URL(page.url()).pathname;
});
afterAll(async () => {
  await person?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

const signedIn = [
  "/",
  "/temporary",
  "/account",
  "/label",
  "/label/work",
  "/label/prompts",
  "/admin/people",
  "/admin/prompts",
  "/admin/batches",
  "/admin/batches/new",
  "/admin/questions",
  "/admin/demonstrations",
  "/admin/labelers",
  "/admin/guidelines",
  "/admin/rankings",
  "/admin/agreement",
  "/admin/models",
  "/admin/reward-models",
  "/admin/evaluations",
  "/admin/evaluations/new",
  "/admin/runs",
  "/admin/runs/new",
  "/admin/datasets",
  "/admin/workers",
  "/admin/notifications",
  "/admin/settings",
  "/admin/audit",
];
const signedOut = ["/sign-in", "/sign-up", "/reset-password?token=x", "/nothing-here"];

test.each(signedIn)("%s is accessible", async (path) => {
  expect(await findingsAt(person.page, path)).toEqual([]);
});

test("a conversation is accessible, its dialogs and feedback too", async () => {
  const { page } = person;
  expect(await findingsAt(page, conversation)).toEqual([]);
  await page.getByRole("button", { name: "What made this?" }).click();
  const lineage = page.getByRole("dialog", { name: "What made this?" });
  await lineage.waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await lineage.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Bad answer" }).click();
  await page.getByRole("form", { name: "Feedback on this answer" }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Settings of this conversation" }).click();
  await page.getByRole("dialog").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
});

test.each(signedOut)("%s is accessible to whoever is not signed in", async (path) => {
  await using stranger = await visitor(browser, { baseURL: server.url });
  expect(await findingsAt(stranger.page, path)).toEqual([]);
});

test("at 360 pixels no page scrolls sideways, and one can chat", async () => {
  await using phone = await visitor(browser, { baseURL: server.url, width: 360, height: 700 });
  await phone.context.addCookies(await person.context.cookies());
  for (const path of [...signedIn, conversation]) {
    await phone.page.goto(path);
    await phone.page.locator("main").first().waitFor();
    await expect
      .poll(() => overflow(phone.page), { message: `${path} is wider than the screen` })
      .toBeLessThanOrEqual(0);
  }
  await phone.page.goto("/");
  const answer = await ask(phone.page, "Say hello.");
  await untilBegun(answer);
  await phone.page.getByRole("button", { name: "Open the list of conversations" }).click();
  await phone.page.getByRole("link", { name: "New conversation" }).waitFor();
  expect(phone.problems).toEqual([]);
});

test("a conversation is held with the keyboard alone, and its end is announced", async () => {
  const { page } = person;
  await page.goto("/");
  await page.locator("main").first().waitFor();
  await page.keyboard.press("i");
  await page.keyboard.type("Say hello.");
  await page.keyboard.press("Enter");
  await untilBegun(answers(page).last());
  await page.keyboard.press("Escape");
  await page.getByText("Answer ended.").waitFor({ state: "attached" });
});

test("no page had an error in the console or a policy violation", () => {
  expect(person.problems).toEqual([]);
});

async function findingsAt(page: Visitor["page"], path: string): Promise<string[]> {
  await page.goto(path);
  await page.locator("main, h1").first().waitFor();
  return seriousFindings(page);
}
