/**
 * @file What the ranking console costs a labeler beside the reading: a real server and browser, nine long answers a task, ranked
 * by keyboard alone. Key presses a ranking, from a key to the painted board, from the submit to the painted next task.
 */
import type { Page } from "playwright-core";
import { buildPages } from "@/bin/setup/build-pages.mjs";
import { attuneServer } from "@/tests/helpers/attune-server";
import { launchBrowser, visitor } from "@/tests/helpers/browser";
import { makeAccount } from "@/tests/helpers/chat-page";
import { longAnswer, seedStopped } from "@/tests/helpers/label-server";
import { makeBatch } from "@/tests/helpers/labeling";
import { tinyModelFolder } from "@/tests/helpers/tiny-model";
import { median } from "./harness/statistics";

const k = 9;

type Spread = { median: number; max: number };
type ModeBench = {
  keyPresses: Spread;
  /** From a key going down to the frame that shows what it did. */
  keyToPaintMs: Spread;
  /** From the key that submits to the frame that shows the next task. */
  submitToPaintMs: Spread;
  /** Both over a whole ranking. */
  addedSeconds: Spread;
};
export type LabelKeyboardBench = {
  /** Rankings. */ n: number;
  k: number;
  board: ModeBench;
  guided: ModeBench;
};

export default async function run({ quick }: { quick: boolean }): Promise<LabelKeyboardBench> {
  const counts = quick ? { board: 3, guided: 2 } : { board: 10, guided: 5 };
  await buildPages();
  await using server = await attuneServer({
    env: { ATTUNE_MODEL: tinyModelFolder, ATTUNE_TRAINER: "off" },
  });
  await using browser = await launchBrowser();
  await using person = await visitor(browser, { baseURL: server.url, width: 1366, height: 768 });
  const { page } = person;
  await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
  await page.goto("about:blank");
  await seedStopped(server, async (db) => {
    // One more than are ranked: there is a next task after the last.
    await makeBatch(db, { tasks: counts.board + counts.guided + 2, k, textOf: longAnswer });
  });
  await page.addInitScript(watchKeys);
  await page.goto("/label");
  await page.getByRole("button", { name: "I agree" }).click();
  await page.getByText(`0 of ${k} placed`).waitFor();
  // The first task of a page also loads its code.
  await rankOne(page, pressOnBoard);
  const board = await rankMany(page, counts.board, pressOnBoard);
  await page.keyboard.press("m");
  await page.getByText("At most 21 choices").waitFor();
  const guided = await rankMany(page, counts.guided, pressGuided);
  return { n: counts.board + counts.guided, k, board, guided };
}

type Times = { presses: number; keyMs: number[]; submitMs: number };
type PressAll = (page: Page, seed: number) => Promise<number>;

async function rankMany(page: Page, count: number, pressAll: PressAll): Promise<ModeBench> {
  const all: Times[] = [];
  for (let i = 0; i < count; i++) all.push(await rankOne(page, pressAll, i));
  return {
    keyPresses: spread(all.map(({ presses }) => presses)),
    keyToPaintMs: spread(all.flatMap(({ keyMs }) => keyMs)),
    submitToPaintMs: spread(all.map(({ submitMs }) => submitMs)),
    addedSeconds: spread(
      all.map(({ keyMs, submitMs }) => (keyMs.reduce((sum, ms) => sum + ms, 0) + submitMs) / 1000),
    ),
  };
}

const spread = (values: number[]): Spread => ({
  median: median(values),
  max: Number(Math.max(...values).toFixed(1)),
});

async function rankOne(page: Page, pressAll: PressAll, seed = 0): Promise<Times> {
  await page.evaluate(() => window.attuneKeys.reset());
  const presses = await pressAll(page, seed);
  await page.getByText(`${k} of ${k} placed`).waitFor();
  const keyMs = await page.evaluate(() => window.attuneKeys.painted);
  await page.keyboard.press("Enter");
  const submitMs = await page.evaluate(() => window.attuneKeys.next);
  return { presses: presses + 1, keyMs, submitMs };
}

/** Each to another rank, every fourth tied with one that is there. @returns key presses */
async function pressOnBoard(page: Page, seed: number): Promise<number> {
  let ranks = 0;
  let presses = 0;
  const press = async (key: string) => {
    await page.keyboard.press(key);
    presses++;
  };
  for (let i = 0; i < k; i++) {
    const isTie = i % 4 === 3;
    if (isTie) await press("=");
    else ranks++;
    await press(String(1 + ((i * 5 + seed) % ranks)));
  }
  return presses;
}

/** Better, worse and now and then a tie, until all are placed. @returns key presses */
async function pressGuided(page: Page, seed: number): Promise<number> {
  const placed = page.getByText(`${k} of ${k} placed`);
  let presses = 0;
  while (!(await placed.isVisible())) {
    await page.keyboard.press(
      ["ArrowLeft", "ArrowRight", "ArrowRight", "="][(presses * 3 + seed) % 4] ?? "=",
    );
    presses++;
  }
  return presses;
}

declare global {
  interface Window {
    attuneKeys: { painted: number[]; next: Promise<number>; reset(): void };
  }
}

/** Runs in the page. A frame is painted when a message posted in its last callback arrives. */
function watchKeys(): void {
  const afterPaint = (act: () => void) =>
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = act;
      channel.port2.postMessage(null);
    });
  let tell: (ms: number) => void = () => undefined;
  window.attuneKeys = {
    painted: [],
    next: Promise.resolve(0),
    reset() {
      this.painted = [];
      this.next = new Promise((resolve) => {
        tell = resolve;
      });
    },
  };
  const promptText = () => document.querySelector("main section[aria-label=Prompt]")?.textContent ?? null;
  const onKey = ({ key, timeStamp }: KeyboardEvent) => {
    if (key !== "Enter") {
      afterPaint(() => window.attuneKeys.painted.push(performance.now() - timeStamp));
      return;
    }
    const before = promptText();
    const observer = new MutationObserver(() => {
      const now = promptText();
      if (now === null || now === before) return;
      observer.disconnect();
      afterPaint(() => tell(performance.now() - timeStamp));
    });
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
  };
  document.addEventListener("keydown", onKey, true);
}
