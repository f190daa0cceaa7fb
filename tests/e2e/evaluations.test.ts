/** @file Two policies judged side by side by keyboard, and the win rate of it with its texts, in two real browsers. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashPassword } from "@/server/auth/passwords";
import { setPassword } from "@/server/domain/account-password";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { makeAccount, password, signIn } from "../helpers/chat-page";
import { answerAll, judgeAll, makeEvaluation } from "../helpers/evaluating";
import { seedStopped } from "../helpers/label-server";
import { makeLabeler } from "../helpers/labeling";
import { tinyModelFolder } from "../helpers/tiny-model";

let server: AttuneServer;
let browser: Browser;
let [deciding, labeling]: [Visitor | undefined, Visitor | undefined] = [undefined, undefined];
let admin: Page;
let labeler: Page;

/** So many that there is an interval. */
const prompts = 24;

beforeAll(async () => {
  server = await attuneServer({ env: { ATTUNE_MODEL: tinyModelFolder, ATTUNE_TRAINER: "off" } });
  browser = await launchBrowser();
  deciding = await visitor(browser, { baseURL: server.url });
  labeling = await visitor(browser, { baseURL: server.url });
  [admin, labeler] = [deciding.page, labeling.page];
  await makeAccount(admin, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
  await admin.goto("about:blank"); // A page that is open would miss the server.
  let email = "";
  const hash = await hashPassword(password);
  await seedStopped(server, async (db) => {
    const made = await makeEvaluation(db, {
      dataFolder: server.dataFolder,
      texts: Array.from({ length: prompts }, (_, at) =>
        at % 2 ? `Why is ${at} odd?` : `Почему ${at} чётно?`,
      ),
      overlap: 2,
    });
    await answerAll(db, made, (prompt, policy) =>
      policy === "candidate" ? `**Because** ${prompt} is a number with a reason.` : `No idea about ${prompt}`,
    );
    const other = await makeLabeler(db);
    await judgeAll(db, other.id, (left) => (left.startsWith("**") ? "left" : "right"));
    const person = await makeLabeler(db);
    await db.transaction((tx) => setPassword(tx, person.id, hash));
    email = person.email;
  });
  await signIn(labeler, email);
  await labeler.getByRole("textbox", { name: "Message" }).waitFor();
});
afterAll(async () => {
  await deciding?.[Symbol.asyncDispose]();
  await labeling?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

test("a labeler judges blind by keyboard: left, right, a tie, both bad", async () => {
  await labeler.goto("/label");
  await labeler.getByRole("heading", { level: 1, name: "Side by side" }).waitFor();
  await labeler.getByText("Truthful and harmless first").waitFor();
  const choices = ["ArrowLeft", "ArrowRight", "=", "b"];
  const names = ["A is better", "B is better", "Tie", "Both bad"];
  let seen = "";
  for (const [at, key] of choices.entries()) {
    const prompt = labeler.getByRole("region", { name: "Prompt" }).first();
    // The next task has come.
    await expect.poll(() => prompt.textContent()).not.toBe(seen);
    seen = (await prompt.textContent()) ?? "";
    expect(await labeler.locator("main").textContent()).not.toContain("tuned-");
    const choice = labeler.getByRole("button", { name: names[at] ?? "", pressed: true });
    await expect
      .poll(async () => {
        await labeler.keyboard.press(key);
        return choice.count();
      })
      .toBe(1);
    await labeler.keyboard.press("Enter");
  }
  await expect
    .poll(() => labeler.getByRole("region", { name: "Prompt" }).first().textContent())
    .not.toBe(seen);
  await labeler.goto("about:blank");
});

test("the admin sees how often the candidate is preferred, where it is worse, and what was said", async () => {
  await admin.goto("/admin/evaluations");
  await admin
    .getByRole("row", { name: /tuned-8/ })
    .first()
    .waitFor();
  await admin.getByText("Bradley-Terry strengths").waitFor();
  expect(await seriousFindings(admin)).toEqual([]);
  await admin.getByRole("link", { name: "tuned-8 vs tuned-7" }).click();
  const counts = admin.getByText(/^28 judgments of 24 prompts by 2 judges/).first();
  await counts.waitFor();
  expect(await counts.textContent()).toMatch(/2[4-6] wins, [0-2] loss(es)?, 1 tie, 1 both bad$/);
  // Whether it is decided hangs on the side on which the candidate stood for the second judge.
  await admin.getByText(/^(Open|Decided)/).waitFor();
  await admin
    .getByText(/Writing system: Cyrillic/)
    .first()
    .waitFor();
  // The texts behind a slice.
  await admin.getByLabel("Prompts").selectOption({ label: "Writing system: Cyrillic" });
  await admin.getByText(/^10 of 12 prompts/).waitFor();
  await admin.locator("details").first().click();
  await admin
    .getByRole("region", { name: "Candidate’s answer" })
    .getByText("is a number with a reason")
    .waitFor();
  await admin.getByRole("region", { name: "Opponent’s answer" }).getByText("No idea about").waitFor();
  expect(await seriousFindings(admin)).toEqual([]);
  await admin.goto("about:blank");
});

test("a labeler is told that there is nothing here", async () => {
  await labeler.goto("/admin/evaluations");
  await labeler.getByText("There is nothing here").waitFor();
});
