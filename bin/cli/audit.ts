/** @file `attune audit verify`: whether the audit log is as it was written. */
import type { Command } from "commander";
import { z } from "zod";
import { control } from "./control";
import { CommandFailure } from "./failure";

const verdict = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    rows: z.number(),
    head: z.object({ id: z.number(), hash: z.string() }).nullable(),
  }),
  z.object({
    ok: z.literal(false),
    rows: z.number(),
    brokenAt: z.number(),
    reason: z.enum(["changed", "missing"]),
  }),
]);

export function addAuditCommands(program: Command): void {
  program
    .command("audit")
    .description("the record of who did what")
    .command("verify")
    .description("recompute the chain of hashes")
    .action(verify);
}

async function verify(): Promise<void> {
  const found = await control({ command: "verifyAudit" }, verdict);
  if (!found.ok) {
    const what =
      found.reason === "changed" ? "was changed" : "does not follow from the one before: rows are missing";
    throw new CommandFailure(
      `The audit log does not hold: row ${found.brokenAt} ${what} (${found.rows} rows before it are whole). ` +
        "Compare with a backup made before; keep this data folder as evidence.",
    );
  }
  const head = found.head ? `, newest ${found.head.id}: ${found.head.hash}` : "";
  console.log(`The audit log holds: ${found.rows} rows${head}`);
}
