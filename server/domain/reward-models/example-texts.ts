/** @file The texts of examples in reward reports, read where they lie: an erased or withdrawn one is gone from reports too. */
import { and, asc, eq, inArray } from "drizzle-orm";
import { datasetRows, prompts, rankingTasks, responses, taskResponses } from "@/drizzle/schema";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import type { RewardExample } from "@/model/eval/reward/report";
import type { Db } from "../../db/db";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { recordsOf } from "./evaluation-records";

export type ExampleTexts = Pick<RankedPrompt, "prompt"> & { chosen: string; rejected: string };

/** Beside the examples; null where the texts are erased, or lie where this server cannot read them. */
export async function readExampleTexts(
  db: Db,
  examples: readonly RewardExample[],
): Promise<(ExampleTexts | null)[]> {
  const tasks = await readTasks(
    db,
    examples.flatMap(({ place, id }) => (place === null && isUuid(id) ? [id] : [])),
  );
  return Promise.all(
    examples.map(async (example) => {
      if (example.texts) return example.texts;
      const record = example.place ? await readRow(db, example) : (tasks.get(example.id) ?? null);
      const [chosen, rejected] = [record?.responses[example.chosen], record?.responses[example.rejected]];
      return record && chosen && rejected
        ? { prompt: record.prompt, chosen: chosen.text, rejected: rejected.text }
        : null;
    }),
  );
}

type Texts = Pick<RankedPrompt, "prompt" | "responses">;

/** A run's files are named by their dataset; a record of a tree is told from its kin by its id. */
async function readRow(db: Db, { place, id }: RewardExample): Promise<Texts | null> {
  const datasetId = place?.file.replace(/\.jsonl$/, "") ?? "";
  if (!place || !isUuid(datasetId)) return null;
  const [row] = await db
    .select({ content: datasetRows.content })
    .from(datasetRows)
    .where(and(eq(datasetRows.datasetId, datasetId), eq(datasetRows.position, place.line - 1)));
  const records = row?.content ? recordsOf(row.content) : [];
  return records.find((record) => record.id === id) ?? (records.length === 1 ? (records[0] ?? null) : null);
}

async function readTasks(db: Db, taskIds: readonly string[]): Promise<Map<string, Texts>> {
  if (taskIds.length === 0) return new Map();
  const rows = await db
    .select({ taskId: rankingTasks.id, prompt: prompts.messages, text: responses.text })
    .from(rankingTasks)
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .innerJoin(taskResponses, eq(taskResponses.taskId, rankingTasks.id))
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(and(inArray(rankingTasks.id, [...taskIds]), isUsablePrompt))
    .orderBy(asc(taskResponses.position));
  const tasks = new Map<string, Texts>();
  for (const { taskId, prompt, text } of rows) {
    const known = tasks.get(taskId) ?? { prompt, responses: [] };
    tasks.set(taskId, { prompt, responses: [...known.responses, { text }] });
  }
  return tasks;
}

const isUuid = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
