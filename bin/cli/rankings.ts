/** @file `attune rankings import <file>`: rankings made elsewhere, from a terminal. */
import path from "node:path";
import { type Command, Option } from "commander";
import { z } from "zod";
import { type LayoutName, layoutNames, layouts } from "@/model/data/rankings/layouts";
import { control } from "./control";

const imported = z.object({
  importId: z.string(),
  counts: z.record(z.string(), z.number()),
  faults: z.array(z.object({ line: z.number(), reason: z.string() })),
});
const shownFaults = 10;

export function addRankingsCommands(program: Command): void {
  program
    .command("rankings")
    .description("rankings from elsewhere")
    .command("import <file>")
    .description(`a file of rankings or pairs: ${layoutNames.map((name) => layouts[name].label).join(", ")}`)
    .addOption(new Option("--layout <layout>", "default: told from the first items").choices(layoutNames))
    .option("--json", "the last line is one JSON object")
    .action(importRankings);
}

async function importRankings(
  file: string,
  { layout = null, json }: { layout?: LayoutName | null; json?: boolean },
): Promise<void> {
  const read = await control({ command: "importRankings", file: path.resolve(file), layout }, imported);
  const { counts, faults } = read;
  for (const { line, reason } of faults.slice(0, shownFaults)) console.error(`line ${line}: ${reason}`);
  console.log(
    `${counts.prompts} prompts, ${counts.responses} responses, ${counts.rankings} rankings: ` +
      `${counts.comparisons} pairs and ${counts.ties} ties; ${counts.unfit} items were left out.`,
  );
  if (json) console.log(JSON.stringify(read));
}
