/** @file `attune backup` and `attune restore`: database, models and secrets as one verified set. */
import path from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { restoreBackup } from "@/server/db/restore";
import { loadEnv } from "@/server/env";
import { megabytes } from "@/server/models/model-report";
import { control } from "./control";

const made = z.object({ folder: z.string(), sizeBytes: z.number() });

export function addBackupCommands(program: Command): void {
  program
    .command("backup")
    .description("write a backup; works while the server runs")
    .argument("[folder]", "a folder that does not exist yet (default: a new one in data/backups)")
    .action((folder?: string) => backup(folder ?? null));
  program
    .command("restore")
    .description("put a backup back, with the server stopped")
    .argument("<backup>", "folder of a backup, or a dump of the database (….jsonl.gz)")
    .option("--replace", "also where data is: that is moved aside, not deleted")
    .action((source: string, { replace }: { replace?: boolean }) => restore(source, replace ?? false));
}

async function backup(folder: string | null): Promise<void> {
  const target = folder && path.resolve(folder);
  const { folder: written, sizeBytes } = await control({ command: "backup", target }, made);
  console.log(`${written} · ${megabytes(sizeBytes)} MB. Copy it to another machine.`);
}

async function restore(source: string, replace: boolean): Promise<void> {
  const env = loadEnv();
  const { rows, files, replaced, notIncluded } = await restoreBackup({
    source: path.resolve(source),
    dataFolder: env.ATTUNE_DATA,
    databaseUrl: env.DATABASE_URL,
    replace,
  });
  console.log(`Restored ${rows} rows and ${files} files into ${env.ATTUNE_DATA}.`);
  if (replaced) console.log(`What was there lies in ${replaced}; delete it when all is well.`);
  for (const folder of notIncluded) {
    console.log(`Not in the backup, because it lay outside the data folder: ${folder}`);
  }
}
