/**
 * @file A reward model in a real browser: trained from rankings by this machine's trainer, its report read, a text scored by
 * hand, the model measured on rankings that came later, and put to use for new ones and for chat.
 */
import fs from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { addRanking } from "../helpers/batches";
import { overflow, type Visitor } from "../helpers/browser";
import { ask, untilEnded } from "../helpers/chat-page";
import { seedStopped } from "../helpers/label-server";
import { makeBatch, makeLabeler } from "../helpers/labeling";
import { type TrainingPage, trainingLimitMs, trainingPage } from "../helpers/training-page";

const words =
  "dog cat horse duck goat fox bear owl pig hen bird fish sun moon star tree leaf rain snow wind " +
  "red blue green pink gold milk bread soup rice cake door lamp chair table bell book ring ship boat road";
let opened: TrainingPage;
let server: AttuneServer;
let person: Visitor;
let page: Page;

beforeAll(async () => {
  opened = await trainingPage();
  ({ server, person, page } = opened);
});
afterAll(() => opened?.[Symbol.asyncDispose]());

/** People like the word itself best, and capital letters least; every fourth time the second labeler says the opposite. */
async function writeRankings(name: string, ask: string): Promise<string> {
  const lines = words.split(" ").map((word, i) =>
    JSON.stringify({
      prompt: `${ask} ${word}`,
      responses: [{ text: word.toUpperCase() }, { text: `${word}!` }, { text: word }],
      rankings: [
        { ranks: [3, 2, 1], labeler: "l-1" },
        { ranks: i % 4 === 0 ? [1, 2, 3] : [3, 1, 2], labeler: "l-2" },
      ],
    }),
  );
  const file = path.join(opened.folder, `${name}.jsonl`);
  await fs.writeFile(file, lines.join("\n"));
  return file;
}

async function importRankings(name: string, ask: string): Promise<void> {
  await page.goto("/admin/rankings");
  await page.getByRole("button", { name: "Import rankings" }).first().click();
  const form = page.getByRole("region", { name: "Import rankings" });
  await form.getByLabel("File").setInputFiles(await writeRankings(name, ask));
  await form.getByRole("button", { name: "Import the file" }).click();
  const row = page.getByRole("row", { name: new RegExp(`${name}\\.jsonl`) });
  await row.getByRole("cell", { name: "40", exact: true }).first().waitFor();
}

test("rankings are imported, made a dataset, and a run makes a reward model of it", async () => {
  await page.goto("/admin/reward-models");
  await page.getByText("There is no reward model yet").waitFor();
  await importRankings("taste", "Say");
  await page.getByLabel("Name of the dataset").fill("Taste");
  await page.getByRole("button", { name: "Make the dataset" }).click();
  await page.waitForURL(/\/admin\/datasets\/[0-9a-f-]{36}$/);
  const datasetId = new URL(page.url()).pathname.split("/").at(-1);
  await page.goto(`/admin/runs/new?dataset=${datasetId}`);
  await page.getByLabel("Name", { exact: true }).fill("Taste");
  await expect.poll(() => page.getByRole("checkbox", { name: /Taste/ }).isChecked()).toBe(true);
  await page.getByLabel("Ensemble", { exact: true }).fill("3");
  await page.getByLabel("Folds", { exact: true }).fill("2");
  await page.getByRole("button", { name: "Put it into the queue" }).click();
  await page.getByRole("heading", { name: /Taste/ }).waitFor();
  await page.getByRole("status").getByText("finished", { exact: true }).waitFor({ timeout: trainingLimitMs });
});

test("its report says how far it can be trusted, with the texts to read", async () => {
  await page.getByRole("link", { name: "How far to trust it" }).first().click();
  await page.getByText("Measured on what its run held out: 4 prompts").waitFor();
  await page.getByText(/4 prompts with an order to compare are few/).waitFor();
  const accuracy = page.getByRole("table", { name: "Accuracy", exact: true });
  await accuracy.getByRole("cell", { name: "The longer response wins" }).waitFor();
  await accuracy.getByRole("cell", { name: "Labelers with each other" }).waitFor();
  const probes = page.getByRole("table", { name: "Degenerate responses" });
  await probes.getByRole("row", { name: /Confident nonsense/ }).waitFor();
  const uncertainty = page.getByRole("table", { name: "Accuracy by uncertainty" });
  await uncertainty.getByRole("row", { name: /Most doubt/ }).waitFor();
  const folds = page.getByRole("table", { name: "Accuracy over folds" });
  await folds.getByRole("row", { name: /All folds, the longer wins .* 36 prompts/ }).waitFor();
  await folds.getByRole("row", { name: /Fold 2, the longer wins/ }).waitFor();
  for (const numbers of await page.getByText("The numbers of this chart").all()) await numbers.click();
  await page.getByRole("table", { name: "Calibration" }).waitFor();
  // Four of the 36 are held out.
  const curve = page.getByRole("table", { name: "Learning curve" });
  for (const prompts of ["4", "8", "16", "32"])
    await curve.getByRole("cell", { name: prompts, exact: true }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  expect(await overflow(page)).toBeLessThanOrEqual(0);
});

test("a text is scored by hand, token by token", async () => {
  await page.getByLabel("Prompt", { exact: true }).fill("Say dog");
  await page.getByLabel("Response", { exact: true }).fill("the dog and the cat");
  await page.getByLabel("Another response").fill("DOG");
  await page.getByRole("button", { name: "Score", exact: true }).click();
  const scored = page.getByRole("region", { name: "Response", exact: true });
  await scored.getByText(/^\d+ tokens$/).waitFor();
  await scored.getByText("deviation of the members").waitFor();
  await page
    .getByRole("region", { name: "Another response" })
    .getByText(/^\d+ tokens?$/)
    .waitFor();
  await scored.getByText("Every token").click();
  await scored.getByRole("cell", { name: /im_end/ }).waitFor();
});

test("it is measured on rankings that its run never had", async () => {
  const address = page.url();
  const measure = page.getByRole("button", { name: /^Measure (again )?on this server’s rankings$/ });
  await measure.click();
  // Of 40 prompts the test split has four, which no dataset takes.
  await page.getByText(/Measured on this server’s rankings: 4 prompts/).waitFor();
  await importRankings("later", "Please say");
  await page.goto(address);
  await measure.click();
  await page.getByText(/Measured on this server’s rankings: 44 prompts/).waitFor();
  await page.getByLabel("Measured on").selectOption({ label: "what its run held out" });
  await page.getByText("Measured on what its run held out: 4 prompts").waitFor();
  await page.getByLabel("Measured on").selectOption({ label: "this server’s rankings" });
  await page.getByText("36 prompts left out, as its training data has them.").waitFor();
});

test("it is put to use: new rankings are scored first, also those that wait when the server starts", async () => {
  const address = page.url();
  await page.getByRole("button", { name: "Use it for new rankings" }).click();
  await page.getByText("No ranking waits to be scored.").waitFor();
  await page.getByText("No new ranking to count yet.").waitFor();
  await page.goto("about:blank");
  await seedStopped(server, async (db) => {
    const { tasks } = await makeBatch(db, {
      tasks: 8,
      textOf: (i) => ["dog", "dog!", "DOG", "DOG!"][i] ?? "",
    });
    const labeler = await makeLabeler(db);
    for (const { taskId } of tasks)
      await addRanking(db, { taskId, labelerId: labeler.id, ranks: [1, 2, 3, 4] });
  });
  await page.goto(address);
  await page.getByText("8 rankings scored.").waitFor();
  const figures = page.getByRole("table", { name: "Accuracy on new rankings", exact: true });
  await figures.getByRole("row", { name: /All policies .* 48 pairs, 8 prompts/ }).waitFor();
  await figures.getByRole("cell", { name: "Its report promised" }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  expect(await overflow(page)).toBeLessThanOrEqual(0);
});

test("a chat shows the best of three answers by it, and says so", async () => {
  const address = page.url();
  await page.goto("/");
  await page.getByRole("button", { name: "Settings of this conversation" }).click();
  await page.getByLabel("Answers to each question").selectOption({ label: "the best of 3" });
  await page.getByRole("button", { name: "Save settings" }).click();
  const answer = await ask(page, "What is a dog?");
  await untilEnded(answer);
  await answer.getByRole("button", { name: "What made this?" }).click();
  const choice = page.getByRole("region", { name: "Choice" });
  await choice.getByText("the best of 3 answers").waitFor();
  await choice.getByText(/^Taste/).waitFor();
  await page.keyboard.press("Escape");
  expect(await seriousFindings(page)).toEqual([]);
  await page.goto(address);
});

test("a new batch can give out first what it is unsure of", async () => {
  const address = page.url();
  await page.goto("/admin/batches/new");
  await page.getByLabel("Labeled first").selectOption({ label: "where an ensemble differs most" });
  await expect
    .poll(() => page.getByLabel("Reward model").locator("option:checked").textContent())
    .toContain("ensemble of 3");
  expect(await seriousFindings(page)).toEqual([]);
  expect(await overflow(page)).toBeLessThanOrEqual(0);
  await page.goto(address);
});

test("two reward models stand side by side", async () => {
  await page.getByLabel("Compare with").selectOption({ index: 1 });
  await expect.poll(() => new URL(page.url()).searchParams.get("with")).toMatch(/^[0-9a-f]{64}$/);
  await page
    .getByRole("table", { name: "Accuracy", exact: true })
    .getByRole("cell", { name: "The other model" })
    .waitFor();
  await page.getByText(/other prompts than these may be easier or harder/).waitFor();
  await page.goto("/admin/reward-models");
  await page
    .getByRole("table", { name: "Reward models" })
    .getByRole("link", { name: /Taste/ })
    .first()
    .waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  // The refusal above: there was nothing yet that the run had not had.
  expect(person.problems.filter((problem) => !problem.includes("412 (Precondition Failed)"))).toEqual([]);
});
