/** @file axe-core on a page, as seen in light and in dark. */
import fs from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const source = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Serious and critical findings, one line each: rule, what it means, where. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const findings: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // Evaluated through the debugger, which the page's policy does not concern.
    const results: AxeResults = await page.evaluate(
      `${source}; axe.run(document, { resultTypes: ["violations"] })`,
    );
    for (const { id, impact, help, nodes } of results.violations) {
      if (impact !== "serious" && impact !== "critical") continue;
      findings.push(
        `${colorScheme} ${new URL(page.url()).pathname} ${id}: ${help} at ${nodes[0]?.target} ${nodes[0]?.html.slice(0, 200)}`,
      );
    }
  }
  return findings;
}
