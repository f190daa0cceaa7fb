/** @file `attune gc`: removes checkpoints of runs that nothing needs any more, or says which those are and why. */
import type { Command } from "commander";
import { z } from "zod";
import { megabytes } from "@/server/models/model-report";
import { control } from "./control";
import { CommandFailure } from "./failure";

const item = z.object({
  checkpointId: z.string(),
  name: z.string(),
  run: z.number(),
  step: z.number(),
  what: z.enum(["checkpoint", "state"]),
  action: z.enum(["keep", "remove"]),
  reason: z.string(),
  sizeBytes: z.number(),
});
const plan = z.object({
  items: z.array(item),
  sizeBytes: z.number(),
  removedBytes: z.number(),
  /** Null: nothing was to be removed yet. */
  removed: z.array(item).nullable(),
});

type Flags = { dryRun?: boolean; budget?: number; json?: boolean };

export function addGcCommand(program: Command): void {
  program
    .command("gc")
    .description(
      "remove checkpoints of runs that nothing needs; the newest two, the best and what is in use stay",
    )
    .option("--dry-run", "say what would go and why; remove nothing")
    .option("--budget <size>", "only as many, oldest first, as make the rest fit: 20GB, 500MB", readSize)
    .option("--json", "one JSON object")
    .action(collect);
}

const units: Record<string, number> = { "": 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

function readSize(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = units[unit.toUpperCase()];
  if (number !== undefined && factor !== undefined) return Number(number) * factor;
  throw new CommandFailure(`--budget ${text}: write it as 20GB or 500MB.`, 2);
}

async function collect({ dryRun = false, budget, json }: Flags): Promise<void> {
  const command = { command: "collectGarbage", budgetBytes: budget ?? null, isDryRun: dryRun } as const;
  const answer = await control(command, plan);
  if (json) {
    console.log(JSON.stringify(answer));
    return;
  }
  for (const { action, run, step, what, reason, sizeBytes, checkpointId } of answer.items) {
    const name = `run ${run}, step ${step} (${checkpointId.slice(0, 12)})`;
    const thing = what === "state" ? `the training state of ${name}` : name;
    console.log(
      `${action === "remove" ? (dryRun ? "would go" : "goes    ") : "stays   "}  ${thing} · ${megabytes(sizeBytes)} MB · ${reason}`,
    );
  }
  const freed = answer.removed?.reduce((sum, each) => sum + each.sizeBytes, 0);
  const total = `All checkpoints of runs take ${megabytes(answer.sizeBytes)} MB.`;
  console.log(
    freed === undefined
      ? `${total} ${megabytes(answer.removedBytes)} MB would be freed.`
      : `${total} ${megabytes(freed)} MB are free again.`,
  );
}
