/** @file From a disliked answer to a prompt that labelers may rank, by uploads and by hand; and histories from elsewhere. */
import path from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { ask, makeAccount, untilBegun, untilEnded } from "../helpers/chat-page";

let server: AttuneServer;
let browser: Browser;
let lead: Visitor;

beforeAll(async () => {
  server = await attuneServer();
  browser = await launchBrowser();
  lead = await visitor(browser, { baseURL: server.url });
  await makeAccount(lead.page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
});
afterAll(async () => {
  await lead?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

test("an answer that was disliked becomes a prompt, masked, and its author is told", async () => {
  const { page } = lead;
  const consent = page.getByRole("button", { name: "Yes, they may be used" });
  // A page that has not come alive yet does not hear the click.
  await expect
    .poll(
      async () => {
        await consent.click({ timeout: 1_000 }).catch(() => {});
        return consent.count();
      },
      { timeout: 20_000 },
    )
    .toBe(0);
  const answer = await ask(page, "Write to ann@example.org that the ferns are here.");
  await untilBegun(answer);
  await page
    .getByRole("button", { name: "Stop the answer" })
    .click({ timeout: 3_000 })
    .catch(() => {});
  await untilEnded(answer);
  const given = page.waitForResponse(/feedback\.give/);
  await page.getByRole("button", { name: "Bad answer" }).click();
  await page.getByRole("form", { name: "Feedback on this answer" }).waitFor();
  await given;
  await page.goto("/admin/prompts");
  await page.getByText("There is none yet.").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Collect now" }).click();
  await page.getByRole("list", { name: "Prompts" }).getByText("Write to [email] that").first().waitFor();
  await page.goto("/account");
  const journey = page.getByRole("region", { name: "What became of your feedback" });
  await journey.getByText("waits for labelers").waitFor();
  await journey.getByText("thumb down").waitFor();
});

test("a file is uploaded line by line, and what the rules put aside is shown", async () => {
  const { page } = lead;
  await page.goto("/admin/prompts");
  await page.getByRole("button", { name: "Upload" }).click();
  const lines = [
    '{"prompt": "Name three rivers of Europe."}',
    "nonsense",
    '{"prompt": "name three  RIVERS of Europe."}',
    '{"prompt": "Call me at +44 20 7946 0958", "sensitive": true}',
  ];
  await page
    .getByRole("dialog")
    .getByLabel("File")
    .setInputFiles({ name: "set.jsonl", mimeType: "text/plain", buffer: Buffer.from(lines.join("\n")) });
  await page.getByRole("button", { name: "Upload the file" }).click();
  await page.getByText("line 2 is not JSON").waitFor();
  await page.getByText(/2 prompts are ready, 1 put aside \(near-duplicate\)/).waitFor();
  await page.getByText(/near-duplicate of “Name three rivers of Europe.”/).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByLabel("Put aside by").selectOption("duplicate");
  const list = page.getByRole("list", { name: "Prompts" });
  await expect.poll(() => list.getByRole("listitem").count()).toBe(1);
  await list.getByRole("button", { name: "What to do with it" }).click();
  await page.getByRole("menuitem", { name: "Make it ready" }).click();
  await page.getByText("No prompt is like that.").waitFor();
});

test("a few-shot prompt is written", async () => {
  const { page } = lead;
  await page.goto("/admin/prompts");
  await page.getByRole("button", { name: "Write a prompt" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Form").selectOption("fewShot");
  await dialog.getByLabel("Instruction").fill("Translate into French");
  for (const [i, [question, answer]] of [
    ["cat", "chat"],
    ["dog", "chien"],
  ].entries()) {
    await dialog.getByLabel(`Question ${i + 1}`).fill(question ?? "");
    await dialog.getByLabel(`Answer ${i + 1}`).fill(answer ?? "");
  }
  await dialog.getByLabel("The question left open").fill("horse");
  await dialog.getByRole("button", { name: "Add the prompt" }).click();
  await dialog.getByText("The prompt is ready.").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByText("few-shot").first().waitFor();
});

test("conversations from elsewhere come in, faults named, and are asked about anew", async () => {
  const { page } = lead;
  await page.goto("/account");
  const section = page.locator("section").filter({ hasText: "Conversations from elsewhere" });
  await section
    .getByLabel("Files")
    .setInputFiles(
      ["chatgpt.json", "open-webui.json"].map((name) => path.join("tests/fixtures/histories", name)),
    );
  await section.getByRole("button", { name: "Bring them here" }).click();
  await section.getByText(/chatgpt.json: 1 conversation with 3 messages came in/).waitFor();
  await section.getByText(/conversation 3 has messages that follow one another in a circle/).waitFor();
  await section.getByText(/open-webui.json: 2 conversations with 5 messages came in/).waitFor();
  const choice = section.getByRole("switch", { name: /Imported conversations may be used/ });
  expect(await choice.getAttribute("aria-checked")).toBe("false");
  await choice.click();
  await section.getByText(/3 of them may be used/).waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await page.goto("/");
  await page.getByRole("link", { name: /Sky colours/ }).click();
  await page.getByText("Because of Rayleigh scattering.").waitFor();
});

test("no page had an error in the console or a policy violation", () => {
  expect(lead.problems).toEqual([]);
});
