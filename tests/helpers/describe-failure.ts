/** @file Set up for the journeys: the error of a test that fails says what its pages showed and what its servers said. */
import type { Page } from "playwright-core";
import { beforeEach } from "vitest";
import { runningServers } from "./attune-server";
import { openVisitors } from "./browser";

const mostText = 6_000;
const mostOutput = 3_000;

beforeEach(({ onTestFailed, task }) => {
  onTestFailed(async () => {
    const [error] = task.result?.errors ?? [];
    if (error) error.message = [error.message, ...(await describe())].join("\n\n");
  });
});

async function describe(): Promise<string[]> {
  const said: string[] = [];
  for (const { context, problems } of openVisitors) {
    for (const page of context.pages()) said.push(`Page ${page.url()}:\n${await textOf(page)}`);
    if (problems.length > 0) said.push(`Problems of this visitor:\n${problems.join("\n")}`);
  }
  for (const server of runningServers) {
    said.push(`Last words of the server at ${server.url}:\n${server.output().slice(-mostOutput)}`);
  }
  return said;
}

/** As a screen reader has it; a page that went away meanwhile says so instead of hiding the failure behind its own. */
const textOf = (page: Page): Promise<string> =>
  page
    .locator("body")
    .ariaSnapshot({ timeout: 5_000 })
    .then((text) => text.slice(0, mostText))
    .catch((error: unknown) => `not readable: ${String(error)}`);
