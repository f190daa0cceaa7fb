/** @file What `attune eval` leaves: `eval-report.json` (figures and what each item gave) beside `transcripts.jsonl` (texts). */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { suiteResultSchema } from "./suites/suite-result";

export const evalReportFile = "eval-report.json";
export const transcriptsFile = "transcripts.jsonl";

/** What rounding for serving does; see served-parity.ts. */
export const parityReportSchema = z.object({
  precision: z.enum(["fp32", "int8", "int4"]),
  responses: z.int(),
  tokens: z.int(),
  /** Mean and largest |served - exact| of a token's log-probability, in nats. */
  meanGap: z.number(),
  largestGap: z.number(),
  /**
   * Of the change of each response's tokens against the base, the share that the served form has too:
   * sum(exact change * served change) / sum(exact change^2). Null: it is no adapter, or training changed nothing.
   */
  effectKept: z.number().nullable(),
});
export type ParityReport = z.infer<typeof parityReportSchema>;

export const evalReportSchema = z.object({
  format: z.literal(1),
  checkpoint: z.string(),
  name: z.string(),
  /** The form in which all of it was measured. */
  precision: z.enum(["fp32", "int8", "int4"]),
  madeAt: z.string(),
  seed: z.int(),
  suites: z.array(suiteResultSchema),
  parity: parityReportSchema.nullable(),
});
export type EvalReport = z.infer<typeof evalReportSchema>;

/** A report cannot be read. */
export class EvalReportError extends Error {
  override readonly name = "EvalReportError";
}

/** @param place the file, or the folder that it lies in. @throws EvalReportError naming file and field */
export async function readEvalReport(place: string): Promise<EvalReport> {
  const isFolder = (await stat(place).catch(() => null))?.isDirectory() ?? false;
  const file = isFolder ? path.join(place, evalReportFile) : place;
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new EvalReportError(
      `Report ${file}: ${cause.code === "ENOENT" ? "there is no such file" : cause.message}.`,
      { cause },
    );
  });
  try {
    return evalReportSchema.parse(JSON.parse(text));
  } catch (cause) {
    const fault =
      cause instanceof z.ZodError
        ? cause.issues
            .slice(0, 3)
            .map(({ path: at, message }) => `${at.join(".")}: ${message}`)
            .join("; ")
        : "it is not JSON";
    throw new EvalReportError(`Report ${file} is no report of attune eval: ${fault}`, { cause });
  }
}
