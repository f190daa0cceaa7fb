/** @file A server with the tiny model and its trainer, and an admin before it, for tests in which something is trained. */
import type { Browser, Page } from "playwright-core";
import { type AttuneServer, attuneServer } from "./attune-server";
import { launchBrowser, type Visitor, visitor } from "./browser";
import { makeAccount } from "./chat-page";
import { temporaryFolder } from "./temporary-folder";
import { tinyModelFolder } from "./tiny-model";

/** The trainer yields to all other work: on a busy machine it has little of it. */
export const trainingLimitMs = 240_000;
const pageLimitMs = 60_000;

export type TrainingPage = AsyncDisposable & {
  server: AttuneServer;
  /** For further people. */
  browser: Browser;
  person: Visitor;
  page: Page;
  /** For files that are uploaded. */
  folder: string;
};

export async function trainingPage(): Promise<TrainingPage> {
  const opened: (() => PromiseLike<void>)[] = [];
  const close = async () => {
    for (const each of opened.splice(0).toReversed()) await each();
  };
  try {
    const files = await temporaryFolder();
    opened.push(() => files[Symbol.asyncDispose]());
    const env = { ATTUNE_MODEL: tinyModelFolder, ATTUNE_TRAINER_THREADS: "1" };
    const server = await attuneServer({ env });
    opened.push(() => server[Symbol.asyncDispose]());
    const browser = await launchBrowser();
    opened.push(() => browser.close());
    const person = await visitor(browser, { baseURL: server.url });
    opened.push(() => person[Symbol.asyncDispose]());
    const { page } = person;
    page.setDefaultTimeout(pageLimitMs);
    await makeAccount(page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
    return { server, browser, person, page, folder: files.path, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
