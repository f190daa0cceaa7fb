/** @file A real Chromium, and pages that remember everything that went wrong in them. */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { findProgram } from "../../bin/setup/find-program.mjs";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];

export async function launchBrowser(): Promise<Browser> {
  const executablePath = findProgram("chromium");
  if (!executablePath) throw new Error("This test needs Chromium; `npm test` installs it.");
  return chromium.launch({ executablePath, args: flags });
}

export type Visitor = AsyncDisposable & {
  context: BrowserContext;
  page: Page;
  /** Errors in the console, uncaught exceptions and policy violations, with the address they happened at. */
  problems: string[];
  /** Another tab of the same browser, signed in alike and watched alike. */
  newTab(): Promise<Page>;
};

export type VisitorOptions = {
  baseURL: string;
  colorScheme?: "light" | "dark";
  width?: number;
  height?: number;
};

/** Whoever is there now: what a failed test prints. */
export const openVisitors = new Set<Visitor>();

/** Somebody with a browser profile of their own: no cookies, nothing stored. */
export async function visitor(
  browser: Browser,
  { baseURL, colorScheme = "light", width = 1280, height = 800 }: VisitorOptions,
): Promise<Visitor> {
  const context = await browser.newContext({
    baseURL,
    colorScheme,
    viewport: { width, height },
    ignoreHTTPSErrors: true,
    permissions: ["clipboard-read", "clipboard-write"],
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(20_000);
  const problems: string[] = [];
  const watch = (page: Page) => {
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(`console at ${page.url()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => problems.push(`uncaught at ${page.url()}: ${error.message}`));
  };
  context.on("page", watch);
  // Chromium reports some violations as warnings or not at all in the console; the event names every one.
  await context.exposeBinding("reportViolation", (_source, text: string) => {
    problems.push(`policy violation: ${text}`);
  });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const report = (globalThis as unknown as { reportViolation(text: string): void }).reportViolation;
      report(`${event.violatedDirective} ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  const opened: Visitor = {
    context,
    page: await context.newPage(),
    problems,
    newTab: () => context.newPage(),
    async [Symbol.asyncDispose]() {
      openVisitors.delete(opened);
      await context.close();
    },
  };
  openVisitors.add(opened);
  return opened;
}

/** Pixels by which a page is wider than its window. */
export const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
