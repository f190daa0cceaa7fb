/** @file `attune rankings import <file>` and `attune rankings export`: rankings of elsewhere and for elsewhere. */
import path from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { type LayoutName, layoutNames, layouts } from "@/model/data/rankings/layouts";
import { type ExportLayout, exportLayouts } from "@/server/domain/exchange/export-rankings";
import { splits } from "@/server/domain/prompts/split";
import { control } from "./control";

const imported = z.object({
  importId: z.string(),
  counts: z.record(z.string(), z.number()),
  faults: z.array(z.object({ line: z.number(), reason: z.string() })),
});
const shownFaults = 10;

export function addRankingsCommands(program: Command): void {
  const rankings = program.command("rankings").description("rankings from elsewhere and for elsewhere");
  rankings
    .command("import <file>")
    .description(`a file of rankings or pairs: ${layoutNames.map((name) => layouts[name].label).join(", ")}`)
    .addOption(new Option("--layout <layout>", "default: told from the first items").choices(layoutNames))
    .option("--again", "also where a file of this name and size was imported before")
    .option("--json", "the last line is one JSON object")
    .action(importRankings);
  rankings
    .command("export")
    .description("all rankings that count, labelers by pseudonym, as one file")
    .addOption(
      new Option("--layout <layout>", "how others read it").choices(exportLayouts).makeOptionMandatory(),
    )
    .requiredOption("--output <file>", "written whole or not at all; one that is there is replaced")
    .option("--batch <id...>", "only of these batches (the id ends a batch's address)")
    .option("--group <id...>", "only made in these groups of labelers")
    .addOption(new Option("--split <split...>", "only on prompts of these splits").choices(splits))
    .option("--guidelines <version...>", "only made under these versions of the guidelines")
    .option("--from <date>", "only submitted from then on, as 2026-01-31 (UTC)", toDate)
    .option("--to <date>", "only submitted before then", toDate)
    .option("--held-out", "the held-out group's work too: not to be trained on")
    .option("--json", "the last line is one JSON object")
    .action(exportRankings);
}

function toDate(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError("Give a date, as 2026-01-31.");
  return at.toISOString();
}

type ExportOptions = {
  layout: ExportLayout;
  output: string;
  batch?: string[];
  group?: string[];
  split?: (typeof splits)[number][];
  guidelines?: string[];
  from?: string;
  to?: string;
  heldOut?: boolean;
  json?: boolean;
};

const exported = z.object({
  file: z.string(),
  sizeBytes: z.number(),
  prompts: z.number(),
  rankings: z.number(),
});

async function exportRankings(options: ExportOptions): Promise<void> {
  const { layout, output, batch, group, split, guidelines, from = null, to = null, heldOut, json } = options;
  const written = await control(
    {
      command: "exportRankings",
      file: path.resolve(output),
      layout,
      batchIds: batch,
      groupIds: group,
      splits: split,
      guidelinesVersions: guidelines?.map(Number),
      from,
      to,
      withHeldOut: heldOut,
    },
    exported,
  );
  const { file, sizeBytes, prompts, rankings } = written;
  console.log(`${file}: ${prompts} prompts with ${rankings} rankings, ${sizeBytes} bytes.`);
  if (layout !== "parquet" && layouts[layout].leavesOut !== null) {
    console.log(`This layout leaves out: ${layouts[layout].leavesOut}.`);
  }
  if (json) console.log(JSON.stringify(written));
}

async function importRankings(
  file: string,
  { layout = null, again, json }: { layout?: LayoutName | null; again?: boolean; json?: boolean },
): Promise<void> {
  const read = await control(
    { command: "importRankings", file: path.resolve(file), layout, isAgain: again },
    imported,
  );
  const { counts, faults } = read;
  for (const { line, reason } of faults.slice(0, shownFaults)) console.error(`line ${line}: ${reason}`);
  console.log(
    `${counts.prompts} prompts, ${counts.responses} responses, ${counts.rankings} rankings: ` +
      `${counts.comparisons} pairs and ${counts.ties} ties; ${counts.unfit} items were left out.`,
  );
  if (json) console.log(JSON.stringify(read));
}
