/** @file `attune audit verify`: whether the audit log is as it was written. */
import path from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { control } from "./control";
import { CommandFailure } from "./failure";

const head = z.object({ id: z.number(), hash: z.string() });
const broken = {
  changed: "was changed",
  missing: "does not follow from the one before, or is gone: rows are missing",
  rewritten: "is another one than the signed head names: the log was rewritten",
  forged: "is what the kept head names, but that was not signed by this server's key",
} as const;

const verdict = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    rows: z.number(),
    head: head.nullable(),
    kept: head.extend({ signedAt: z.string(), key: z.string() }).nullable(),
    card: z.object({ isWhole: z.boolean(), isInLog: z.boolean().nullable(), key: z.string() }).optional(),
  }),
  z.object({
    ok: z.literal(false),
    rows: z.number(),
    brokenAt: z.number(),
    reason: z.enum(["changed", "missing", "rewritten", "forged"]),
  }),
]);

export function addAuditCommands(program: Command): void {
  program
    .command("audit")
    .description("the record of who did what")
    .command("verify")
    .description("recompute the chain of hashes, and compare it with its signed head")
    .option(
      "--card <file>",
      "a model card of this server that was kept elsewhere: whether the log still holds what it names",
    )
    .action(verify);
}

async function verify({ card }: { card?: string }): Promise<void> {
  const file = card === undefined ? null : path.resolve(card);
  const found = await control({ command: "verifyAudit", card: file }, verdict);
  if (!found.ok) {
    throw new CommandFailure(
      `The audit log does not hold: row ${found.brokenAt} ${broken[found.reason]} (${found.rows} rows before it are whole). ` +
        "Compare with a backup made before; keep this data folder as evidence.",
    );
  }
  const newest = found.head ? `, newest ${found.head.id}: ${found.head.hash}` : "";
  console.log(`The audit log holds: ${found.rows} rows${newest}`);
  const { kept } = found;
  console.log(
    kept
      ? `It goes on from row ${kept.id}, signed on ${kept.signedAt} by key ${kept.key}.`
      : "No signed head is kept yet: a running server keeps one every minute.",
  );
  if (found.card) tellCard(found.card);
}

function tellCard({
  isWhole,
  isInLog,
  key,
}: {
  isWhole: boolean;
  isInLog: boolean | null;
  key: string;
}): void {
  if (!isWhole) throw new CommandFailure("The card was changed: its signature does not fit its words.");
  if (isInLog === false) {
    throw new CommandFailure(
      "The card names a row that the log does not hold: the log was rewritten or cut.",
    );
  }
  console.log(`The card is whole, signed by key ${key}, and the log holds the row it names.`);
}
