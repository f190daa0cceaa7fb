/**
 * @file PPO from the page, in a real browser: a reward model trained on this machine, a run started against it, its curves,
 * samples and episodes watched, a guard rail met, accepted, met again, and the run rolled back.
 */
import fs from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seriousFindings } from "../helpers/axe";
import { overflow, type Visitor } from "../helpers/browser";
import { type TrainingPage, trainingLimitMs, trainingPage } from "../helpers/training-page";

const words =
  "dog cat horse duck goat fox bear owl pig hen bird fish sun moon star tree leaf rain snow wind".split(" ");
let opened: TrainingPage;
let person: Visitor;
let page: Page;

beforeAll(async () => {
  opened = await trainingPage();
  ({ person, page } = opened);
});
afterAll(() => opened?.[Symbol.asyncDispose]());

async function write(name: string, lines: object[]): Promise<string> {
  const file = path.join(opened.folder, `${name}.jsonl`);
  await fs.writeFile(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  return file;
}

async function upload(button: string, name: string, lines: object[]): Promise<void> {
  await page.getByRole("button", { name: button, exact: true }).click();
  await page.getByLabel("Files").setInputFiles(await write(name, lines));
  await page.getByRole("button", { name: "Upload the file" }).click();
}

const untilState = (name: string) =>
  page.getByRole("status").getByText(name, { exact: true }).waitFor({ timeout: trainingLimitMs });

test("a reward model is trained from uploaded rankings", async () => {
  await page.goto("/admin/datasets");
  await page.getByRole("button", { name: "Upload a dataset" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Kind").selectOption("rankings");
  await form.getByLabel("Files").setInputFiles(
    await write(
      "taste",
      words.map((word) => ({
        prompt: `Repeat: ${word}`,
        responses: [{ text: `${word} ${word} ${word}` }, { text: `${word}!` }, { text: word }],
        rankings: [{ ranks: [1, 2, 3], labeler: "l-1" }],
      })),
    ),
  );
  await form.getByRole("button", { name: "Upload the file" }).click();
  await page.getByRole("link", { name: "taste" }).waitFor();
  await page.goto("/admin/runs/new");
  await page.getByLabel("Stage").selectOption("reward");
  await page.getByRole("checkbox", { name: /taste/ }).check();
  await page.getByLabel("Name", { exact: true }).fill("Taste");
  await page.getByRole("button", { name: "Put it into the queue" }).click();
  await page.getByRole("heading", { name: /Taste/ }).waitFor();
  await untilState("finished");
});

test("PPO is started from the form: policy, prompts, reward model, a size of patience", async () => {
  await page.goto("/admin/runs/new");
  await page.getByLabel("Stage").selectOption("ppo");
  await page.getByText("Choose or upload a dataset first.").waitFor();
  const prompts = words.map((word) => ({ prompt: `Repeat: ${word}` }));
  await upload("Upload prompts", "questions", prompts);
  await expect.poll(() => page.getByRole("checkbox", { name: /questions/ }).isChecked()).toBe(true);
  await page.getByText("Choose a reward model first.").waitFor();
  const model = page
    .getByRole("group", { name: "Scored by" })
    .getByText(/^Taste/)
    .first();
  await model.click();
  // So few rankings may teach it to prefer degenerate responses too, which the form asks about.
  if (/failed probes/.test((await model.textContent()) ?? ""))
    await page.getByRole("switch", { name: "Use it all the same" }).click();
  await page.getByRole("radio", { name: /^Minutes, about .+ here/ }).check();
  await page.getByRole("region", { name: "Expected time" }).waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Longer");
  // So many that it must get clearly worse than what was accepted, long before the last one.
  await page.getByLabel("Iterations").fill("20");
  await page.getByLabel("Episodes per iteration").fill("8");
  await page.getByLabel("Response tokens").fill("12");
  await page.getByText("Guard rails", { exact: true }).click();
  // Crossed at once: the policy moves by more than nothing.
  await page.getByLabel("KL budget").fill("0.000001");
  for (const name of ["Entropy floor", "Length drift", "Ended floor", "Repetition", "Flat judge"])
    await page.getByLabel(name).fill("");
  await page.getByRole("button", { name: "Put it into the queue" }).click();
  await page.getByRole("heading", { name: /Longer/ }).waitFor();
});

test("a guard rail pauses it with a sentence, and a person goes on", async () => {
  const guard = page.getByRole("region", { name: /A guard rail paused this run after step \d+/ });
  await guard.waitFor({ timeout: trainingLimitMs });
  await guard.getByText(/nats from the reference on average, above the budget of/).waitFor();
  await guard.getByRole("figure").filter({ hasText: "KL from the reference" }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await guard.getByRole("button", { name: "Go on and accept this" }).click();
  await page.getByText(/^Ada Admin resumed it/).waitFor();
});

test("its page shows curves, the same prompts over time, and episodes to read", async () => {
  for (const title of ["Score", "Reward", "KL from the reference", "Entropy", "Length of responses"])
    await page.getByRole("figure").filter({ hasText: title }).first().waitFor({ timeout: trainingLimitMs });
  await page.getByText("More curves", { exact: true }).click();
  for (const title of ["Explained variance", "Clipped", "Gradient norms", "KL coefficient"])
    await page.getByRole("figure").filter({ hasText: title }).first().waitFor();
  const time = page.getByRole("figure").filter({ hasText: "Time by phase" });
  for (const phase of ["generation", "scoring", "reference", "value", "update"])
    await time.getByText(phase, { exact: true }).waitFor();
  await page.getByRole("region", { name: "Samples" }).getByText("Step 0", { exact: true }).first().waitFor();
  const episodes = page.getByRole("list", { name: /^Episodes of step \d+/ });
  const lengths = async () => {
    const texts = await episodes.getByRole("button").allTextContents();
    return texts.map((text) => Number(/(\d+) tokens?$/.exec(text)?.[1]));
  };
  await page.getByLabel("Sorted by").selectOption("lengthDown");
  await expect
    .poll(async () => {
      const shown = await lengths();
      return shown.length > 0 && shown.toSorted((a, b) => b - a).join() === shown.join();
    })
    .toBe(true);
  await page.getByLabel("Of step", { exact: true }).selectOption("1");
  await page.getByRole("list", { name: "Episodes of step 1" }).waitFor();
  const episode = page.getByRole("article", { name: "Episode" });
  await episode.getByRole("button", { name: "Value", exact: true }).click();
  await episode.getByText("Every token as a table").click();
  await episode.getByRole("table", { name: "Tokens" }).getByRole("row").nth(1).waitFor();
  for (const width of [390, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    await expect.poll(() => overflow(page)).toBeLessThanOrEqual(0);
  }
  expect(await seriousFindings(page)).toEqual([]);
});

test("rolled back, the run is finished with an earlier checkpoint as its result", async () => {
  const guard = page.getByRole("region", { name: /A guard rail paused this run after step \d+/ });
  await guard.waitFor({ timeout: trainingLimitMs });
  const back = guard.getByLabel("Or roll back to");
  await back.selectOption({ label: (await back.locator("option").allTextContents()).at(-1) ?? "" });
  await guard.getByRole("button", { name: "End the run with it" }).click();
  await untilState("finished");
  await page.getByText(/^Its result is the checkpoint of step \d+\.$/).waitFor();
  await page.getByText(/^Ada Admin ended it/).waitFor();
  expect(person.problems).toEqual([]);
});
