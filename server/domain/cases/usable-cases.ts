/** @file The one rule of which regression cases may be read, and which are rerun. */
import { type SQL, sql } from "drizzle-orm";
import { prompts, regressionCases } from "@/drizzle/schema";
import { isUsablePrompt } from "../prompts/usable-prompts";

// See usable-prompts: a nested fragment keeps the tables of its columns.
const nested = (inner: SQL) => sql<boolean>`${inner}`;

/** One of somebody's prompts while that prompt may be used. Correlates with `regression_cases` of the query it is put into. */
export const isReadableCase: SQL<boolean> = nested(sql`(
  ${regressionCases.promptId} is null or exists (
    select 1 from ${prompts} where ${prompts.id} = ${regressionCases.promptId} and ${isUsablePrompt}
  )
)`);

/** Every candidate answers these. */
export const isActiveCase: SQL<boolean> = nested(
  sql`(${regressionCases.archivedAt} is null and ${isReadableCase})`,
);
