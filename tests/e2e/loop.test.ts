/**
 * @file The whole loop in real browsers with the tiny model: people chat and agree, answers are ranked, a reward model and PPO
 * are trained on this machine, the new policy is judged against the live one, tried on a canary, promoted, talked to, and rolled
 * back.
 */
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { apiVisitor, tokenOf } from "../helpers/api-visitor";
import { type Visitor, visitor } from "../helpers/browser";
import { ask, composer, signIn, untilEnded } from "../helpers/chat-page";
import { type TrainingPage, trainingLimitMs, trainingPage } from "../helpers/training-page";

/** By the hash that decides it, the first ten are in the training split and the last four in the test split. */
const words = "cat dog cow frog sheep pig lion bear ball book duck bird horse mouse".split(" ");
const trained = 10;
const k = 4;

let opened: TrainingPage;
let lena: Visitor;
let admin: Page;
let labeler: Page;

beforeAll(async () => {
  opened = await trainingPage();
  admin = opened.page;
  const invite = await admin.request.post("/api/trpc/people.invite", {
    data: { json: { email: null, role: "labeler" } },
    headers: { origin: opened.server.url },
  });
  const { path } = ((await invite.json()) as { result: { data: { json: { path: string } } } }).result.data
    .json;
  const person = await apiVisitor(opened.server.url, tokenOf(path));
  lena = await visitor(opened.browser, { baseURL: opened.server.url });
  labeler = lena.page;
  labeler.setDefaultTimeout(60_000);
  await signIn(labeler, person.email, person.password);
  await composer(labeler).waitFor();
});
afterAll(async () => {
  await lena?.[Symbol.asyncDispose]();
  await opened?.[Symbol.asyncDispose]();
});

const untilState = (name: string) =>
  admin.getByRole("status").getByText(name, { exact: true }).waitFor({ timeout: trainingLimitMs });

/** Answers are made in the background: a labeler who came too early looks again. */
const untilTask = (task: Locator) =>
  expect
    .poll(
      async () => {
        await labeler
          .getByRole("button", { name: "Look again" })
          .click({ timeout: 500 })
          .catch(() => {});
        return task.count();
      },
      { timeout: 120_000 },
    )
    .toBe(1);

/** @returns the text of the panel that says which policy answered */
async function whatAnswers(page: Page): Promise<string> {
  await page.goto("/");
  const answer = await ask(page, "Tell me about a boat.");
  await untilEnded(answer);
  await answer.getByRole("button", { name: "What made this?" }).click();
  const dialog = page.getByRole("dialog", { name: "What made this?" });
  await dialog.getByRole("region", { name: "Lineage" }).getByText("here since").first().waitFor();
  const text = (await dialog.textContent()) ?? "";
  await page.keyboard.press("Escape");
  return text;
}

test("people chat, agree to the use of it, and their questions become prompts beside uploaded ones", async () => {
  const consent = labeler.getByRole("button", { name: "Yes, they may be used" });
  // A page that has not come alive yet does not hear the click.
  await expect
    .poll(
      async () => {
        await consent.click({ timeout: 1_000 }).catch(() => {});
        return consent.count();
      },
      { timeout: 60_000 },
    )
    .toBe(0);
  const answer = await ask(labeler, "Tell me about a lamp.");
  await untilEnded(answer);
  const given = labeler.waitForResponse(/feedback\.give/);
  await labeler.getByRole("button", { name: "Bad answer" }).click();
  await given;
  await admin.goto("/admin/prompts");
  const list = admin.getByRole("list", { name: "Prompts" });
  await expect
    .poll(
      async () => {
        await admin
          .getByRole("button", { name: "Collect now" })
          .click({ timeout: 1_000 })
          .catch(() => {});
        return list.getByText("Tell me about a lamp.").count();
      },
      { timeout: 60_000, interval: 1_000 },
    )
    .toBeGreaterThan(0);
  await admin.getByRole("button", { name: "Upload" }).click();
  const lines = words.map((word) => JSON.stringify({ prompt: `Tell me about a ${word}.` }));
  await admin
    .getByRole("dialog")
    .getByLabel("File")
    .setInputFiles({ name: "about.jsonl", mimeType: "text/plain", buffer: Buffer.from(lines.join("\n")) });
  await admin.getByRole("button", { name: "Upload the file" }).click();
  await admin.getByText(/14 prompts are ready/).waitFor();
});

test("a batch samples answers, and a labeler ranks them by keyboard, the shorter the better", async () => {
  await admin.goto("/admin/batches/new");
  await admin.getByText(/15 prompts fit/).waitFor();
  await admin.getByLabel("Name", { exact: true }).fill("Short answers");
  await admin.getByLabel("Responses a task (K)").fill(String(k));
  await admin.getByLabel("Most tokens a response").fill("24");
  await admin.getByRole("checkbox", { name: "Train" }).check();
  await admin.getByRole("switch", { name: "Rate each response alone first" }).click();
  await admin.getByRole("button", { name: "Make the batch" }).click();
  await admin.waitForURL(/\/admin\/batches\/[0-9a-f-]{36}$/);
  await admin.getByText(/^0 of \d+ tasks$/).waitFor();
  await expect
    .poll(() => admin.getByText("being sampled").count(), { timeout: 120_000, interval: 1_000 })
    .toBe(0);

  await labeler.goto("/label");
  await labeler.getByRole("button", { name: "I agree" }).click();
  // Her own question is ranked by others.
  let ranked = 1;
  while (await rankOne()) ranked++;
  expect(ranked).toBeGreaterThanOrEqual(trained - 2);
  await labeler.goto("about:blank");
});

/** Puts each card before the longer ones. @returns whether there is more to rank */
async function rankOne(): Promise<boolean> {
  await untilTask(labeler.getByText(`0 of ${k} placed`));
  const cards = labeler.getByRole("region", { name: "Not placed" }).getByRole("button");
  const lengths = (await cards.allTextContents()).map((text) => text.length);
  for (const [at, length] of lengths.entries()) {
    const rank = 1 + lengths.slice(0, at).filter((other) => other < length).length;
    await labeler.keyboard.press(String(rank));
    await labeler.getByText(`${at + 1} of ${k} placed`).waitFor();
  }
  return submitted(() => labeler.keyboard.press("Enter"));
}

/** Waits until another task is there, or none. @returns whether there is one */
async function submitted(submit: () => Promise<void>): Promise<boolean> {
  const prompt = labeler.getByRole("region", { name: "Prompt" }).first();
  const nothingLeft = labeler.getByRole("heading", { name: "No task for you right now" });
  const seen = await prompt.textContent();
  await submit();
  await expect
    .poll(
      async () => (await nothingLeft.count()) > 0 || (await prompt.textContent({ timeout: 500 })) !== seen,
      { timeout: 60_000 },
    )
    .toBe(true);
  return (await nothingLeft.count()) === 0;
}

test("the rankings train a reward model", async () => {
  await admin.goto("/admin/rankings");
  const form = admin.getByRole("region", { name: "Make a dataset" });
  await form.getByLabel("Name of the dataset").fill("Short answers");
  await form.getByRole("button", { name: "Make the dataset" }).click();
  await admin.waitForURL(/\/admin\/datasets\/[0-9a-f-]{36}$/);
  const datasetId = new URL(admin.url()).pathname.split("/").at(-1);
  await admin.goto(`/admin/runs/new?dataset=${datasetId}`);
  await admin.getByLabel("Name", { exact: true }).fill("Brevity");
  await admin.getByRole("button", { name: "Put it into the queue" }).click();
  await admin.getByRole("heading", { name: /Brevity/ }).waitFor();
  await untilState("finished");
});

test("PPO trains a policy against it", async () => {
  await admin.goto("/admin/runs/new");
  await admin.getByLabel("Stage").selectOption("ppo");
  await admin.getByRole("button", { name: "Upload prompts" }).click();
  const lines = words.slice(0, trained).map((word) => JSON.stringify({ prompt: `Tell me about a ${word}.` }));
  await admin
    .getByLabel("Files")
    .setInputFiles({ name: "about.jsonl", mimeType: "text/plain", buffer: Buffer.from(lines.join("\n")) });
  await admin.getByRole("button", { name: "Upload the file" }).click();
  await expect.poll(() => admin.getByRole("checkbox", { name: /about/ }).isChecked()).toBe(true);
  const model = admin
    .getByRole("group", { name: "Scored by" })
    .getByText(/^Brevity/)
    .first();
  await model.click();
  // So few rankings may teach it to prefer degenerate responses too, which the form asks about.
  const asked = admin.getByRole("switch", { name: "Use it all the same" });
  if (/failed probes/.test((await model.textContent()) ?? "")) await asked.click();
  await admin.getByLabel("Name", { exact: true }).fill("Brief");
  await admin.getByLabel("Iterations").fill("2");
  await admin.getByLabel("Episodes per iteration").fill("8");
  await admin.getByLabel("Response tokens").fill("24");
  await admin.getByText("Guard rails", { exact: true }).click();
  for (const name of [
    "KL budget",
    "Entropy floor",
    "Length drift",
    "Ended floor",
    "Repetition",
    "Flat judge",
  ])
    await admin.getByLabel(name).fill("");
  await admin.getByRole("button", { name: "Put it into the queue" }).click();
  await admin.getByRole("heading", { name: /Brief/ }).waitFor();
  await untilState("finished");
});

test("a labeler judges it blind against the live policy, on prompts that trained neither", async () => {
  await admin.goto("/admin/promotion");
  await admin
    .getByText(/gates? do(es)? not hold/)
    .first()
    .waitFor();
  await admin.goto("/admin/evaluations/new");
  const candidate = admin.getByLabel("Candidate");
  const label = await candidate.locator("option").filter({ hasText: /\(ppo/ }).first().textContent();
  await candidate.selectOption({ label: label ?? "" });
  await admin.getByLabel("Most tokens an answer").fill("24");
  await admin.getByRole("button", { name: "Ask labelers" }).click();
  await admin.waitForURL(/\/admin\/evaluations\/[0-9a-f-]{36}$/);

  await labeler.goto("/label");
  while (await judgeOne());
  await labeler.goto("about:blank");
  await admin.reload();
  await admin
    .getByText(/^\d judgments? of \d prompts? by 1 judge/)
    .first()
    .waitFor();
});

/** @returns whether there is more to judge */
async function judgeOne(): Promise<boolean> {
  await untilTask(labeler.getByRole("heading", { level: 1, name: /^Side by side/ }));
  const choice = labeler.getByRole("button", { name: "A is better", pressed: true });
  await expect
    .poll(async () => {
      await labeler.keyboard.press("ArrowLeft");
      return choice.count();
    })
    .toBe(1);
  return submitted(() => labeler.keyboard.press("Enter"));
}

test("it is tried on a canary, promoted with reasons for what was not measured, and answers at once", async () => {
  const before = await whatAnswers(labeler);
  await admin.goto("/admin/promotion");
  await admin.getByRole("button", { name: "Canary…" }).click();
  const dialog = admin.getByRole("dialog");
  await decide("Start the canary");
  await admin.getByText("5 % of conversations", { exact: true }).waitFor();
  await admin.getByRole("button", { name: "Promote to live" }).click();
  await decide("Promote to live");
  const after = await whatAnswers(labeler);
  expect(after).toContain("Brief");
  expect(before).not.toContain("Brief");

  await admin.goto("/admin/promotion");
  await admin.getByRole("button", { name: "Roll back" }).click();
  await dialog.getByRole("button", { name: "Make live again" }).first().click();
  await dialog.waitFor({ state: "hidden" });
  expect(await whatAnswers(labeler)).not.toContain("Brief");
});

async function decide(button: string): Promise<void> {
  const dialog = admin.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("the first round of the loop");
  const why = dialog.getByLabel("Why set them aside");
  if ((await why.count()) > 0) await why.fill("fourteen prompts are a trial");
  await dialog.getByRole("button", { name: button }).click();
  await dialog.waitFor({ state: "hidden" });
}

test("no page had an error in the console or a policy violation", () => {
  expect([...opened.person.problems, ...lena.problems]).toEqual([]);
});
