/** @file Promotion in a browser: asked for with a reason for each gate, live in the chat at once, rolled back; auditors only look. */
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readServerFile } from "@/server/boot/server-file";
import { projectRoot } from "@/server/project-root";
import { type ApiVisitor, apiVisitor, tokenOf } from "../helpers/api-visitor";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { seriousFindings } from "../helpers/axe";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { answers, ask, composer, signIn, untilEnded } from "../helpers/chat-page";

const tinyModel = (stage: string) => path.join(projectRoot, "model", "tiny", stage);

let server: AttuneServer;
let browser: Browser;
let ada: ApiVisitor;
let admin: Visitor;

beforeAll(async () => {
  server = await attuneServer({ env: { ATTUNE_MODEL: tinyModel("sft") } });
  await register(tinyModel("base"));
  browser = await launchBrowser();
  ada = await apiVisitor(server.url, tokenOf(server.setupUrl));
  admin = await signedIn(ada);
});
afterAll(async () => {
  await admin?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

async function signedIn({ email, password }: ApiVisitor): Promise<Visitor> {
  const person = await visitor(browser, { baseURL: server.url });
  await signIn(person.page, email, password);
  await composer(person.page).waitFor();
  return person;
}

/** On a channel of its own, as the command line can. */
async function register(folder: string): Promise<void> {
  const running = readServerFile(server.dataFolder);
  const response = await fetch(`${running?.url}/api/control`, {
    method: "POST",
    headers: { authorization: `Bearer ${running?.token}`, "content-type": "application/json" },
    body: JSON.stringify({ command: "useModel", folder, channel: "spare" }),
  });
  expect(await response.json()).toMatchObject({ channel: "spare" });
}

async function askedPolicy(page: Page): Promise<string> {
  await page.goto("/");
  const answer = await ask(page, "Say hello.");
  await untilEnded(answer);
  await answer.getByRole("button", { name: "What made this?" }).click();
  const dialog = page.getByRole("dialog", { name: "What made this?" });
  await dialog.getByText("tiny").first().waitFor();
  const text = (await dialog.textContent()) ?? "";
  await page.keyboard.press("Escape");
  return text;
}

test("an admin sets gates aside with a reason, promotes, chats with the new policy, and rolls back", async () => {
  const { page } = admin;
  const { live, candidate } = await ada.call.promotion.state.query({});
  await page.goto("/admin/promotion?candidate=nothing");
  await page.getByText("This candidate cannot be promoted").waitFor();
  // What is shown is what is asked about from then on, not whatever is newest.
  const asks = page.waitForRequest((request) =>
    decodeURIComponent(request.url()).includes(`"${candidate?.id}"`),
  );
  await page.goto("/admin/promotion");
  await asks;
  await page.getByText("7 gates do not hold.").waitFor();
  expect(await seriousFindings(page)).toEqual([]);

  await page.getByRole("button", { name: "Promote to live" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("said too early");
  await dialog.getByLabel("Why set them aside").fill("nothing can be measured yet");
  await ada.call.promotion.freeze.mutate({ reason: "for a moment" });
  await dialog.getByRole("button", { name: "Promote to live" }).click();
  await dialog.getByText("frozen: for a moment").waitFor();
  expect(admin.problems.splice(0)).toEqual([expect.stringContaining("409")]);
  await ada.call.promotion.unfreeze.mutate();
  // What is sent again is what the fields say now.
  await dialog.getByLabel("Reason").fill("the first policy of our own");
  await dialog.getByRole("button", { name: "Promote to live" }).click();
  await dialog.waitFor({ state: "hidden", timeout: 60_000 });
  const history = page.getByRole("region", { name: "History" });
  await history.getByText("the first policy of our own").waitFor();
  expect((await ada.call.promotion.state.query({})).requests).toEqual([]);
  expect(await askedPolicy(page)).toContain(candidate?.name);

  await page.goto("/admin/promotion");
  await page.getByRole("button", { name: "Roll back" }).click();
  await dialog.getByRole("button", { name: "Make live again" }).first().click();
  await dialog.waitFor({ state: "hidden", timeout: 60_000 });
  await history.getByText("no reason yet").waitFor();
  expect(await askedPolicy(page)).toContain(live?.name);
  expect(admin.problems).toEqual([]);
});

test("a challenger is compared in the chats of who agreed: two drafts, blind; the chosen one goes on and counts", async () => {
  const { page } = admin;
  await page.goto("/admin/promotion");
  const section = page.locator("section", { has: page.getByRole("heading", { name: "Live comparison" }) });
  await section.getByLabel("Share of questions").fill("100");
  await section.getByLabel("One in so many questions").fill("1");
  await section.getByLabel("Reason for comparing").fill("a look");
  await section.getByRole("button", { name: /^Compare .* in chat$/ }).click();
  await section.getByText("0 questions with two drafts").waitFor({ timeout: 60_000 });

  const invite = await ada.call.people.invite.mutate({ email: null, role: "user" });
  const person = await apiVisitor(server.url, tokenOf(invite.path));
  await person.call.account.answerConsent.mutate({ granted: true });
  await using somebody = await signedIn(person);
  const chat = somebody.page;
  await composer(chat).fill("What is your name?");
  await chat.getByRole("button", { name: "Send", disabled: false }).click();
  const better = chat.getByRole("button", { name: "Draft 2 is better", disabled: false });
  await better.waitFor({ timeout: 60_000 });
  const drafts = await chat.getByRole("region", { name: "two drafts" }).textContent();
  expect(drafts).not.toContain("Tiny base");
  expect(await seriousFindings(chat)).toEqual([]);
  await composer(chat).blur();
  await chat.keyboard.press("2");
  const answer = answers(chat).first();
  await answer.waitFor();
  await answer.getByRole("status", { name: "answer 2 of 2" }).waitFor();
  await answer.getByRole("heading", { name: /tiny/i }).waitFor();

  // The second question's drafts are passed over by writing on.
  await composer(chat).fill("And what can you do?");
  await chat.getByRole("button", { name: "Send", disabled: false }).click();
  await chat.getByRole("button", { name: "Draft 1 is better", disabled: false }).waitFor({ timeout: 60_000 });
  await composer(chat).fill("Thank you.");
  await chat.getByRole("button", { name: "Send", disabled: false }).click();
  await expect.poll(() => answers(chat).count(), { timeout: 60_000 }).toBe(3);

  await page.goto("/admin/promotion");
  await section.getByText("2 questions with two drafts, 1 chosen between, 1 passed over.").waitFor();
  await page.getByText("People in chat", { exact: true }).first().waitFor();
  await section.getByRole("button", { name: "End the comparison" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("enough seen");
  await dialog.getByRole("button", { name: "End the comparison" }).click();
  await section.getByText("1 earlier comparison").waitFor();
  expect([...admin.problems, ...somebody.problems]).toEqual([]);
});

test("an auditor sees all of it, with the signed cards, and changes nothing; others find no such page", async () => {
  const invite = await ada.call.people.invite.mutate({ email: null, role: "user" });
  const person = await apiVisitor(server.url, tokenOf(invite.path));
  await using somebody = await signedIn(person);
  await somebody.page.goto("/admin/promotion");
  await somebody.page
    .getByText(/nothing here|not found/i)
    .first()
    .waitFor();

  const { people } = await ada.call.people.list.query({ search: person.email });
  await ada.call.people.changeGrants.mutate({ userId: people[0]?.id ?? "", grants: ["auditor"] });
  await using auditor = await signedIn(person);
  const { page } = auditor;
  await page.goto("/admin/promotion");
  await page.getByText("7 gates do not hold.").waitFor();
  for (const name of ["Promote to live", "Roll back", "Freeze", "Save"]) {
    expect(await page.getByRole("button", { name }).count()).toBe(0);
  }
  const card = await page.request.get("/api/promotions/3/card?format=markdown");
  expect(await card.text()).toContain("set aside: nothing can be measured yet");
});

test("cases and a suite of one's own are asked of a candidate, read by eyes, and hold its gate", async () => {
  const { page, problems } = admin;
  problems.splice(0);
  await page.goto("/admin/cases");
  const upload = async (items: string) => {
    const head = { name: "capitals", title: "Capitals", metric: "squad", responseTokens: 4 };
    const toFile = (name: string, text: string) => ({
      name,
      mimeType: "application/json",
      buffer: Buffer.from(text),
    });
    await page
      .getByLabel("Upload a suite")
      .setInputFiles([toFile("suite.json", JSON.stringify(head)), toFile("items.jsonl", items)]);
    await page.getByRole("button", { name: "Upload", exact: true }).click();
  };
  const item = JSON.stringify({ prompt: "What is the capital of Peru?", references: ["Lima"] });
  await upload(`${item}\n{"prompt": 3}`);
  await page.getByText(/items\.jsonl:2 prompt: .*; references: /).waitFor();
  expect(problems.splice(0)).toEqual([expect.stringContaining("400")]);
  await upload(item);
  await page.getByRole("row", { name: /Capitals/ }).waitFor();
  expect(await seriousFindings(page)).toEqual([]);

  await page.getByRole("link", { name: "Write a case" }).click();
  await page.getByLabel("Question").fill("Say hello.");
  await page.getByLabel("Title").fill("Says something");
  await page.getByLabel("The answer").selectOption("does not refuse");
  expect(await seriousFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Pin the case" }).click();
  await page.getByRole("heading", { name: "1. Says something" }).waitFor();
  await ada.call.cases.pin.mutate({
    title: "Is kind",
    origin: { from: "hand", messages: [{ role: "user", content: "I am sad." }] },
    expects: { kind: "eyes", lookFor: "kindness" },
  });

  const { candidate } = await ada.call.promotion.state.query({});
  const checkpointId = candidate?.id ?? "";
  const gate = async () =>
    (await ada.call.promotion.state.query({ candidateId: checkpointId })).candidate?.decision.gates.find(
      (each) => each.gate === "regressions",
    );
  expect(await gate()).toMatchObject({ outcome: "failed", needs: expect.stringContaining("Not asked yet") });
  const { runId } = await ada.call.runs.create.mutate({
    name: "Cases",
    stage: "eval",
    baseCheckpointId: checkpointId,
    datasets: [],
    config: { suites: ["capitals"], parityResponses: 0 },
  });
  await expect
    .poll(async () => (await ada.call.runs.get.query({ runId })).status, { timeout: 120_000 })
    .toBe("finished");

  await page.goto(`/admin/runs/${runId}`);
  await page.getByRole("button", { name: /^Capitals/ }).click();
  await page.getByRole("button", { name: "Pin as a case" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Title").fill("Knows Peru");
  await dialog.getByLabel("Text").fill("Lima");
  await dialog.getByRole("button", { name: "Pin the case" }).click();
  await page.getByRole("link", { name: "case 3" }).waitFor();

  await page.goto(`/admin/promotion?candidate=${checkpointId}`);
  await page.getByText("1 of 3 hold").waitFor();
  await page.getByRole("link", { name: "Each case with its answers" }).click();
  await page.getByRole("link", { name: "Is kind" }).click();
  await page.getByRole("button", { name: "Good", exact: true }).click();
  await page.getByText("read: good").waitFor();
  expect(await seriousFindings(page)).toEqual([]);
  await expect.poll(gate).toMatchObject({ outcome: "failed", says: "2 of 3 hold" });
  expect(problems).toEqual([]);
  await page.goto("about:blank");
});

test("a server killed in the middle of a switch has one live policy when it starts again, and answers by it", async () => {
  const { page } = admin;
  // A page that is open would tell of the lost server.
  await page.goto("about:blank");
  const before = await ada.call.promotion.state.query({});
  const wanted = before.candidate?.id ?? "";
  const reason = "in a moment";
  const overrides = before.candidate?.decision.gates
    .filter(({ outcome }) => outcome === "failed")
    .map(({ gate }) => ({ gate, reason }));
  const request = await ada.call.promotion.request.mutate({ checkpointId: wanted, reason, overrides });
  const switching = ada.call.promotion.carryOut.mutate(request).catch(() => null);
  // Long enough to have begun, too short to be sure that it has ended.
  await new Promise((resolve) => setTimeout(resolve, 400));
  await server.kill();
  await switching;
  await server.start();
  const { live, requests } = await ada.call.promotion.state.query({});
  expect([before.live?.id, wanted]).toContain(live?.id);
  // The row, its history and the request tell the same.
  const { rows } = await ada.call.promotion.history.query({ channel: "live" });
  expect(rows[0]?.checkpoint.id).toBe(live?.id);
  expect(requests.map(({ id }) => id).includes(request.requestId)).toBe(live?.id !== wanted);
  expect(await askedPolicy(page)).toContain(live?.name);
});
