/** @file Active cases as two suites, so that an evaluation asks and scores them like any other: those a rule decides, and those for eyes. */
import { and, asc, eq, ne, type SQL } from "drizzle-orm";
import { prompts, regressionCases } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { asInChat } from "../prompts/as-in-chat";
import { isActiveCase } from "./usable-cases";

export const caseSuiteNames = ["regression-cases", "regression-eyes"] as const;
export type CaseSuiteName = (typeof caseSuiteNames)[number];

export const isCaseSuite = (name: string): name is CaseSuiteName =>
  caseSuiteNames.some((each) => each === name);

const kinds: Record<CaseSuiteName, { title: string; metric: "cases" | "eyes"; which: SQL }> = {
  "regression-cases": { title: "Regression cases", metric: "cases", which: ne(regressionCases.kind, "eyes") },
  "regression-eyes": {
    title: "Regression cases, to be read",
    metric: "eyes",
    which: eq(regressionCases.kind, "eyes"),
  },
};

/** Long enough for most answers in chat. */
const responseTokens = 256;

/** Those that have an active case. */
export async function listCaseSuites(db: Db): Promise<CaseSuiteName[]> {
  const rows = await db
    .selectDistinct({ kind: regressionCases.kind })
    .from(regressionCases)
    .where(isActiveCase);
  return caseSuiteNames.filter((name) =>
    rows.some(({ kind }) => (kind === "eyes") === (name === "regression-eyes")),
  );
}

/**
 * Both files of the suite, of the cases as they are now. An item's id is its case's, so that results stay comparable while
 * cases come and go.
 */
export async function writeCaseSuite(
  db: Db,
  name: CaseSuiteName,
): Promise<{ "suite.json": string; "items.jsonl": string }> {
  const { title, metric, which } = kinds[name];
  const rows = await db
    .select({
      id: regressionCases.id,
      kind: regressionCases.kind,
      expects: regressionCases.expects,
      own: regressionCases.messages,
      ofPrompt: prompts.messages,
    })
    .from(regressionCases)
    .leftJoin(prompts, eq(prompts.id, regressionCases.promptId))
    .where(and(isActiveCase, which))
    .orderBy(asc(regressionCases.number));
  const lines: string[] = [];
  for (const { id, kind, expects, own, ofPrompt } of rows) {
    const messages = await asInChat(db, ofPrompt ?? own);
    // `expects` was written by `pinCase` alone.
    const asked = kind === "eyes" ? { ...Object(expects) } : { expects: { kind, ...Object(expects) } };
    lines.push(`${JSON.stringify({ id, slice: kind, messages, ...asked })}\n`);
  }
  return {
    "suite.json": JSON.stringify({ name, title, metric, responseTokens }),
    "items.jsonl": lines.join(""),
  };
}
