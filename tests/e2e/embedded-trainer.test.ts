/**
 * @file SFT by the trainer of this machine, in a real browser: demonstrations uploaded, a run started, watched, paused,
 * resumed; its trainer killed; and the model that comes of it says what it was taught, beside the live one that does not.
 */
import fs from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AttuneServer } from "../helpers/attune-server";
import type { Visitor } from "../helpers/browser";
import { answers, ask, textOf, untilEnded } from "../helpers/chat-page";
import { childOf } from "../helpers/child-of";
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

/** Steps done, as the page tells them; 0 before it does. */
async function shownSteps(): Promise<number> {
  const progress = page.getByText(/^[\d,]+ of [\d,]+ steps/).first();
  const text = (await progress.textContent({ timeout: 1_000 }).catch(() => null)) ?? "0";
  return Number.parseInt(text.replaceAll(",", ""), 10);
}

const untilSteps = (least: number) =>
  expect.poll(shownSteps, { timeout: trainingLimitMs, interval: 100 }).toBeGreaterThan(least);

const untilState = (name: string) =>
  page.getByRole("status").getByText(name, { exact: true }).waitFor({ timeout: trainingLimitMs });

test("demonstrations are uploaded and a run of the live model is started from the form", async () => {
  const demonstrations = words
    .split(" ")
    .map((word) => JSON.stringify({ prompt: `Repeat: ${word}`, response: `${word.toUpperCase()}!` }));
  const file = path.join(opened.folder, "shout.jsonl");
  await fs.writeFile(file, demonstrations.join("\n"));
  await page.goto("/admin/runs/new");
  await page.getByRole("button", { name: "Upload demonstrations" }).click();
  await page.getByLabel("Files").setInputFiles(file);
  await page.getByRole("button", { name: "Upload the file" }).click();
  await expect.poll(() => page.getByRole("checkbox", { name: /shout/ }).isChecked()).toBe(true);
  await page.getByLabel("Name", { exact: true }).fill("Shouting");
  await page.getByLabel("Epochs").fill("80");
  await page.getByLabel("Learning rate").fill("0.001");
  await page.getByLabel("Row length").fill("32");
  await page.getByLabel("Rows per batch").fill("2");
  await page.getByRole("button", { name: "Put it into the queue" }).click();
  await page.getByRole("heading", { name: /Shouting/ }).waitFor();
});

test("its curves move while it runs", async () => {
  await untilState("running");
  await page.getByRole("figure").filter({ hasText: "Loss" }).first().waitFor({ timeout: trainingLimitMs });
  await untilSteps(20);
  await untilSteps(await shownSteps());
  for (const title of ["Loss", "Learning rate", "Gradient norm", "Speed", "Memory", "Time by phase"]) {
    await page.getByRole("figure").filter({ hasText: title }).first().waitFor();
  }
});

test("it is paused and resumed by its buttons, and goes on behind what it had done", async () => {
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await untilState("paused");
  const steps = await shownSteps();
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await untilSteps(steps);
  await page.getByRole("tab", { name: "Log" }).click();
  await page.getByText(`Going on after step ${steps}.`).waitFor();
  await page.getByRole("tab", { name: "Timeline" }).click();
});

test("its trainer is killed: the timeline says so, another one goes on, and the run is finished", async () => {
  let trainer: number | null = null;
  await expect
    .poll(
      () => {
        trainer = childOf(server.pid, "trainer.js");
        return trainer;
      },
      { timeout: trainingLimitMs },
    )
    .not.toBeNull();
  process.kill(Number(trainer), "SIGKILL");
  await page
    .getByText(/^Worker lost: The trainer of this machine was killed \(SIGKILL\) after step \d+/)
    .waitFor();
  await untilState("finished");
  await page
    .getByText(/^([\d,]+) of \1 steps/)
    .first()
    .waitFor();
  await page.getByText(/\d+ incidents?, told in the timeline/).waitFor();
});

test("its checkpoint says what it was taught, beside the live policy that does not", async () => {
  await page.getByRole("link", { name: "Chat with this" }).first().click();
  await page.getByRole("heading", { name: "Shouting beside the live policy" }).waitFor();
  await ask(page, "Repeat: dog");
  await expect.poll(() => answers(page).count()).toBe(2);
  for (const answer of await answers(page).all()) await untilEnded(answer);
  const texts = async () => (await Promise.all((await answers(page).all()).map(textOf))).toSorted();
  await expect.poll(texts).toEqual(["DOG!", "dog"]);
});

test("no page had an error in the console or a policy violation", () => {
  expect(person.problems).toEqual([]);
});
