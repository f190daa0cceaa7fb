/** @file What a person does on the pages, by the names a screen reader gives: accounts, asking, watching an answer. */
import type { Locator, Page } from "playwright-core";

export const password = "correct horse battery staple";

export type Account = { name: string; email: string };

/** Fills the form of a set-up link, an invite or open sign-up; ends on the chat page. */
export async function makeAccount(page: Page, link: string, { name, email }: Account): Promise<void> {
  await page.goto(link);
  await page.getByLabel("Name", { exact: true }).fill(name);
  const address = page.getByLabel("Email");
  if (await address.isEditable()) await address.fill(email);
  await page.locator("input[name=password]").fill(password);
  await page.getByRole("button", { name: /^Make the (admin )?account$/ }).click();
  await composer(page).waitFor();
}

export async function signIn(page: Page, email: string, secret = password): Promise<void> {
  await page.goto("/sign-in");
  await page.getByLabel("Email").fill(email);
  await page.locator("input[name=password]").fill(secret);
  await page.getByRole("button", { name: "Sign in" }).click();
}

export const composer = (page: Page): Locator => page.getByRole("textbox", { name: "Message" });
export const answers = (page: Page): Locator => page.getByRole("article", { name: "Answer" });
export const questions = (page: Page): Locator => page.getByRole("article", { name: "Your question" });

/** Writes a message and sends it. @returns the answer that begins */
export async function ask(page: Page, text: string): Promise<Locator> {
  const before = await answers(page).count();
  await composer(page).fill(text);
  // Enabled once the page has come alive and taken the text over.
  await page.getByRole("button", { name: "Send", disabled: false }).waitFor();
  await composer(page).press("Enter");
  const answer = answers(page).nth(before);
  await answer.waitFor();
  return answer;
}

/** Waits for the first readable text. */
export async function untilBegun(answer: Locator): Promise<void> {
  await answer.locator(".prose").filter({ hasText: /\S/ }).waitFor();
}

/** Waits until nothing is added any more. */
export async function untilEnded(answer: Locator): Promise<void> {
  const page = answer.page();
  const element = await answer.elementHandle();
  await page.waitForFunction((article) => article?.getAttribute("aria-busy") !== "true", element, {
    timeout: 120_000,
  });
}

/** The answer's own words, without its buttons and notices. */
export async function textOf(answer: Locator): Promise<string> {
  return ((await answer.locator(".prose").textContent()) ?? "").trim();
}
