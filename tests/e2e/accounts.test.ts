/** @file Accounts in a real browser: invited, promoted, locked out, let in again, exported, gone. */
import fs from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AttuneServer, attuneServer } from "../helpers/attune-server";
import { launchBrowser, type Visitor, visitor } from "../helpers/browser";
import { composer, makeAccount, signIn } from "../helpers/chat-page";

const email = "grace@example.org";

let server: AttuneServer;
let browser: Browser;
let admin: Visitor;
let guest: Visitor;

beforeAll(async () => {
  server = await attuneServer();
  browser = await launchBrowser();
  admin = await visitor(browser, { baseURL: server.url });
  guest = await visitor(browser, { baseURL: server.url });
  await makeAccount(admin.page, server.setupUrl ?? "", { name: "Ada Admin", email: "ada@example.org" });
});
afterAll(async () => {
  await guest?.[Symbol.asyncDispose]();
  await admin?.[Symbol.asyncDispose]();
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
});

test("sign-up is by invitation at first, and says so", async () => {
  await guest.page.goto("/sign-up");
  await guest.page.getByRole("heading", { name: "By invitation only" }).waitFor();
});

test("whoever is not signed in is led to the sign-in page and back", async () => {
  await guest.page.goto("/account");
  await guest.page.waitForURL(/\/sign-in\?next=/);
});

test("an invite makes one account with the role it names", async () => {
  const { page } = admin;
  await page.goto("/admin/people");
  await page.getByRole("button", { name: /^Invite/ }).click();
  const dialog = page.getByRole("dialog", { name: "Invite someone" });
  await dialog.getByLabel("Email (optional)").fill(email);
  await dialog.getByRole("button", { name: "Make the link" }).click();
  const link = await dialog.getByLabel("Invitation link").inputValue();
  await dialog.getByRole("button", { name: "Done" }).click();
  await makeAccount(guest.page, link, { name: "Grace Guest", email });
  await using late = await visitor(browser, { baseURL: server.url });
  await late.page.goto(link);
  await late.page.getByRole("heading", { name: "This link does not work" }).waitFor();
});

test("a user has no way into the admin's pages", async () => {
  const admins = [
    "people",
    "models",
    "runs",
    "runs/new",
    "datasets",
    "workers",
    "notifications",
    "settings",
    "audit",
  ];
  const checkpoint = `/temporary?checkpoint=${"a".repeat(64)}`;
  for (const path of [...admins.map((name) => `/admin/${name}`), checkpoint]) {
    await guest.page.goto(path);
    await guest.page.getByRole("heading", { name: /nothing here|may not/i }).waitFor();
  }
});

test("a change of role signs the person out everywhere", async () => {
  await guest.page.goto("/");
  await composer(guest.page).waitFor();
  await managePerson();
  const dialog = admin.page.getByRole("dialog", { name: "Grace Guest" });
  await dialog.getByLabel("Role").selectOption("labeler");
  await dialog.getByRole("button", { name: "Save rights" }).click();
  await dialog.waitFor({ state: "detached" });
  // The open page goes there by itself: its stream ended, and asking again was refused.
  await guest.page.waitForURL(/\/sign-in/);
  await signIn(guest.page, email);
  await composer(guest.page).waitFor();
});

test("a wrong password is refused without saying which part was wrong", async () => {
  await using stranger = await visitor(browser, { baseURL: server.url });
  await signIn(stranger.page, email, "not the password at all");
  const known = await stranger.page.getByRole("alert").filter({ hasText: /\w/ }).textContent();
  await signIn(stranger.page, "nobody@example.org", "not the password at all");
  await stranger.page
    .getByRole("alert")
    .filter({ hasText: known ?? "" })
    .waitFor();
});

test("a reset link sets a new password, once, and ends the old sessions", async () => {
  await managePerson();
  const dialog = admin.page.getByRole("dialog", { name: "Grace Guest" });
  await dialog.getByRole("button", { name: "Make a reset link" }).click();
  const link = await dialog.getByLabel("Link to set a new password").inputValue();
  await using other = await visitor(browser, { baseURL: server.url });
  await other.page.goto(link);
  await other.page.locator("input[name=password]").fill("another correct horse");
  await other.page.getByRole("button", { name: "Set the new password" }).click();
  await other.page.getByText("The password is changed.").waitFor();
  await signIn(other.page, email, "another correct horse");
  await composer(other.page).waitFor();
  await guest.page.goto("/");
  await guest.page.waitForURL(/\/sign-in/);
  await other.page.goto(link);
  await other.page.getByRole("heading", { name: "This link does not work" }).waitFor();
});

test("a disabled account cannot sign in until it is enabled", async () => {
  await managePerson();
  await admin.page.getByRole("button", { name: "Disable the account" }).click();
  await admin.page.getByRole("dialog").waitFor({ state: "detached" });
  await signIn(guest.page, email, "another correct horse");
  await guest.page.getByText(/disabled/).waitFor();
  await managePerson();
  await admin.page.getByRole("button", { name: "Enable the account" }).click();
  await admin.page.getByRole("dialog").waitFor({ state: "detached" });
  await signIn(guest.page, email, "another correct horse");
  await composer(guest.page).waitFor();
});

test("an API key is shown once and answers over the OpenAI-compatible API", async () => {
  const { page } = guest;
  await page.goto("/account");
  await page
    .getByRole("button", { name: /make a key/i })
    .first()
    .click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("laptop");
  await dialog.getByRole("button", { name: /make/i }).click();
  const key = await dialog.getByLabel("The key").inputValue();
  const response = await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect(response.status).toBe(200);
  await dialog.getByRole("button", { name: "Done" }).click();
  expect(await page.content()).not.toContain(key);
});

test("one's data is exported as one file", async () => {
  await guest.page.goto("/account");
  const downloading = guest.page.waitForEvent("download");
  await guest.page.getByRole("link", { name: "Export everything" }).click();
  const data = JSON.parse(await fs.readFile(await (await downloading).path(), "utf8"));
  expect(JSON.stringify(data)).toContain(email);
  expect(JSON.stringify(data)).not.toContain("ada@example.org");
});

test("an account is deleted for good by its owner", async () => {
  const { page } = guest;
  await page.goto("/account");
  await page.getByRole("button", { name: "Delete the account" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete the account" });
  await dialog.getByLabel(/^Your name/).fill("Grace Guest");
  await dialog.getByLabel("Password").fill("another correct horse");
  await dialog.getByRole("button", { name: "Delete everything" }).click();
  await page.getByText("The account and everything in it is deleted.").waitFor();
  await signIn(page, email, "another correct horse");
  await page.getByRole("alert").filter({ hasText: /\w/ }).waitFor();
  await admin.page.goto("/admin/people");
  await admin.page.getByText("ada@example.org").waitFor();
  await expect.poll(() => admin.page.getByText(email).count()).toBe(0);
});

test("open sign-up lets anyone make an account", async () => {
  await admin.page.goto("/admin/settings");
  await admin.page.getByRole("radio", { name: /^Anyone|^Open/ }).check();
  await admin.page.getByRole("button", { name: /^Save/ }).click();
  await expect.poll(async () => (await fetch(`${server.url}/sign-up`)).text()).toContain("Make an account");
  await using stranger = await visitor(browser, { baseURL: server.url });
  await makeAccount(stranger.page, "/sign-up", { name: "Sam Stranger", email: "sam@example.org" });
  expect(stranger.problems).toEqual([]);
});

test("no page of the admin had an error or a policy violation", () => {
  expect(admin.problems).toEqual([]);
});

async function managePerson(): Promise<void> {
  await admin.page.goto("/admin/people");
  await admin.page.getByRole("button", { name: "Manage Grace Guest" }).click();
}
