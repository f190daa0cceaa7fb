/** @file A labeler and their lead in two browsers: a question answered and made an example, a demonstration reviewed. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashPassword } from "@/server/auth/passwords";
import { setPassword } from "@/server/domain/account-password";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { makeAccount, password, signIn } from "../helpers/chat-page";
import { seedStopped } from "../helpers/label-server";
import { makeBatch, makeLabeler } from "../helpers/labeling";
import { tinyModelFolder } from "../helpers/tiny-model";

let server: AttuneServer;
let browser: Browser;
let [leading, labeling]: [Visitor | undefined, Visitor | undefined] = [undefined, undefined];
let lead: Page;
let labeler: Page;

beforeAll(async () => {
  server = await attuneServer({ env: { ATTUNE_MODEL: tinyModelFolder, ATTUNE_TRAINER: "off" } });
  browser = await launchBrowser();
  leading = await visitor(browser, { baseURL: server.url });
  labeling = await visitor(browser, { baseURL: server.url });
  [lead, labeler] = [leading.page, labeling.page];
  await makeAccount(lead, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
  await lead.goto("about:blank"); // A page that is open would miss the server.
  let email = "";
  const hash = await hashPassword(password);
  await seedStopped(server, async (db) => {
    await makeBatch(db, { name: "Tone", k: 4 });
    const person = await makeLabeler(db);
    await db.transaction((tx) => setPassword(tx, person.id, hash));
    email = person.email;
  });
  await signIn(labeler, email);
  await labeler.getByRole("textbox", { name: "Message" }).waitFor();
});
afterAll(async () => {
  await leading?.[Symbol.asyncDispose]();
  await labeling?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

const placed = (text: string) => labeler.getByText(text).waitFor();
const hasNothing = (page: Page) => page.getByText("There is nothing here").waitFor();

test("a labeler asks about a task, and the draft stays", async () => {
  await labeler.goto("/label");
  await labeler.getByRole("heading", { level: 1, name: "Tone" }).waitFor();
  await placed("0 of 4 placed");
  await labeler.keyboard.press("1");
  await labeler.keyboard.press("q");
  await labeler.getByLabel("Question").fill("Does tone count?");
  await labeler.getByRole("dialog").getByRole("button", { name: "Ask" }).click();
  await labeler.getByText("Asked. The answer appears").first().waitFor();
  await placed("1 of 4 placed");
  await labeler.getByText("draft saved").waitFor();
});

test("the lead reads it with its task, answers, and makes it an example in the guidelines", async () => {
  await lead.goto("/admin/questions");
  await lead.getByRole("heading", { level: 2, name: "Does tone count?" }).waitFor();
  await lead.getByRole("region", { name: "Response A" }).getByText("Response ").waitFor();
  await lead.getByRole("link", { name: /^Questions 1 open/ }).waitFor();
  expect(await seriousFindings(lead)).toEqual([]);
  // A page that has not come alive yet does not hear the key.
  const answer = lead.getByRole("textbox", { name: "Answer", exact: true });
  await expect
    .poll(async () => {
      await lead.keyboard.press("a");
      return answer.evaluate((field) => field === document.activeElement);
    })
    .toBe(true);
  await answer.fill("Only where it misleads.");
  await lead.getByRole("switch", { name: "Add as example to the guidelines" }).click();
  await lead.getByLabel("Example: question").fill("Does an unfriendly tone count?");
  expect(await seriousFindings(lead)).toEqual([]);
  await lead.getByLabel("Example: answer").press("Control+Enter");
  await lead.getByText("an example in version 2 of the guidelines").first().waitFor();
  await lead.getByText("No question is open.").waitFor();
  await lead.getByRole("button", { name: "Answered" }).click();
  await lead.getByRole("button", { name: "Correct the answer" }).waitFor();
});

test("the labeler is told beside the task, reads the example, and goes on from the draft", async () => {
  // The page looks for answers every half a minute.
  await labeler.getByRole("button", { name: "1 new answer" }).click({ timeout: 60_000 });
  const dialog = labeler.getByRole("dialog", { name: "An answer to your question" });
  await dialog.getByText("Only where it misleads.").waitFor();
  await dialog.getByText("about this task").waitFor();
  expect(await seriousFindings(labeler)).toEqual([]);
  await dialog.getByRole("button", { name: "Read version 2" }).click();
  const guidelines = labeler.getByRole("dialog", { name: "Guidelines, version 2" });
  await guidelines.getByText("Does an unfriendly tone count?").last().waitFor();
  await labeler.keyboard.press("Escape");
  await guidelines.waitFor({ state: "hidden" });
  await labeler.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await labeler.getByRole("button", { name: "1 new answer" }).waitFor({ state: "hidden" });
  await placed("1 of 4 placed");
  await labeler.reload();
  await labeler.getByText("Your lead answers:").waitFor();
  await placed("1 of 4 placed");
});

test("a demonstration is written, and reviewed by keys with what was edited in it", async () => {
  // Each press places the focused response and goes on to the next that has no place.
  await expect
    .poll(async () => {
      await labeler.keyboard.press("1");
      return labeler.getByText("4 of 4 placed").count();
    })
    .toBe(1);
  await labeler.keyboard.press("x");
  await labeler.keyboard.press("Enter");
  await labeler.getByRole("button", { name: "Begin from this one" }).click();
  const text = labeler.getByRole("textbox", { name: "Your answer" });
  await expect.poll(() => text.inputValue()).toMatch(/^Response /);
  await text.fill(`${await text.inputValue()} made better`);
  await text.press("Control+Enter");
  await labeler.getByRole("heading", { name: "No task for you right now" }).waitFor();

  await lead.goto("/admin/demonstrations");
  await lead.getByText("1 demonstration waits").waitFor();
  await lead.getByRole("insertion").filter({ hasText: "made better" }).waitFor();
  expect(await seriousFindings(lead)).toEqual([]);
  const six = lead.getByRole("button", { name: "6", exact: true, pressed: true });
  await expect
    .poll(async () => {
      await lead.keyboard.press("6");
      return six.count();
    })
    .toBe(1);
  await lead.keyboard.press("n");
  await lead.keyboard.type("Warm, but long.");
  await lead.keyboard.press("Control+Enter");
  await lead.getByText("None waits for you.").waitFor();
  await lead.getByRole("button", { name: "Change the rating 6 of 7" }).waitFor();
});

test("datasets of demonstrations leave out what is rated lower", async () => {
  await lead.goto("/admin/rankings");
  const form = lead.getByRole("region", { name: "Make a dataset" });
  await expect
    .poll(async () => {
      await form.getByLabel("Made of").selectOption("demonstrations");
      return form.getByLabel("Least rating").count();
    })
    .toBe(1);
  await form.getByLabel("Name of the dataset").fill("Ideal answers");
  await form.getByLabel("Least rating").selectOption("7");
  await form.getByRole("button", { name: "Make the dataset" }).click();
  await form.getByText("No demonstration fits this filter").waitFor();
  await form.getByLabel("Least rating").selectOption("6");
  await form.getByRole("button", { name: "Make the dataset" }).click();
  await lead.getByRole("heading", { level: 1, name: "Ideal answers" }).waitFor();
});

test("their own work shows the labeler the rating, the note and the answer, and no page of leads opens", async () => {
  await labeler.goto("/label/work");
  await labeler.getByText("6 of 7").waitFor();
  await labeler.getByText("Warm, but long.").waitFor();
  await labeler.getByText("Only where it misleads.").waitFor();
  await labeler.getByRole("cell", { name: /^From 5 tasks on that others have ranked/ }).waitFor();
  expect(await seriousFindings(labeler)).toEqual([]);
  for (const page of ["questions", "demonstrations"]) {
    expect((await labeler.goto(`/admin/${page}`))?.status()).toBe(404);
    await hasNothing(labeler);
  }
});

test("a labeler writes a prompt from a use case and sees what became of it", async () => {
  await labeler.goto("/label/prompts");
  const form = labeler.getByLabel("Form");
  await expect
    .poll(async () => {
      await form.selectOption("useCase");
      return labeler.getByLabel("Use case").count();
    })
    .toBe(1);
  await labeler.getByLabel("Use case").fill("Somebody plans a garden.");
  await labeler.getByLabel("Prompt", { exact: true }).fill("Which herbs grow in the shade?");
  await labeler.getByRole("button", { name: "Add the prompt" }).click();
  const own = labeler.getByRole("list", { name: "Your prompts" });
  await own.getByText("from a use case · ready, in no batch yet").waitFor();
  await own.getByText("Which herbs grow in the shade?").first().click();
  await own.getByText("Use case: Somebody plans a garden.").waitFor();
  expect(await seriousFindings(labeler)).toEqual([]);
});

test("nothing went wrong in the console, and no policy was violated", () => {
  // The browser itself writes down the two pages it was refused, and the dataset that would have been empty.
  const known = /status of (404|400)/;
  const problems = [...(leading?.problems ?? []), ...(labeling?.problems ?? [])];
  expect(problems.filter((problem) => !known.test(problem))).toEqual([]);
});
