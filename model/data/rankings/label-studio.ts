/**
 * @file Label Studio's JSON export of tasks with a List and a Ranker: one order, or buckets by rank, which allow ties.
 * <Ranker><Bucket name="rank_1"/><Bucket name="rank_2"/>…</Ranker>
 */
import { z } from "zod";
import { userTurn } from "./k-way";
import { defined, type JsonItem, type Layout, parseItem, restOf } from "./layout";
import {
  ItemFault,
  messageSchema,
  type PromptTurn,
  type RankedPrompt,
  type ResponseRanking,
  ranksOfTiers,
} from "./ranked-prompt";

const shape =
  '{"data": {"prompt": text or turns, "items": [{"id", "body"}, …]}, "annotations": [{"completed_by", "result": [{"type": "ranker", "value": {"ranker": ids in order, or buckets named rank_1, rank_2, …}}]}]}.';

const listItem = z.looseObject({
  id: z.union([z.string(), z.number()]).transform(String),
  title: z.string().nullish(),
  body: z.string().nullish(),
  html: z.string().nullish(),
  model: z.string().optional(),
});
const ids = z.array(z.union([z.string(), z.number()]).transform(String));
const annotationSchema = z.object({
  completed_by: z
    .union([
      z.string(),
      z.number(),
      z.object({ id: z.union([z.string(), z.number()]) }).transform(({ id }) => id),
    ])
    .transform(String)
    .nullish(),
  was_cancelled: z.boolean().nullish(),
  created_at: z.string().nullish(),
  instruction_version: z.string().optional(),
  none_acceptable: z.boolean().optional(),
  result: z.array(
    z.looseObject({ type: z.string().optional(), value: z.record(z.string(), z.unknown()).optional() }),
  ),
});
const taskSchema = z.object({
  id: z.union([z.string(), z.number()]).transform(String).optional(),
  data: z.record(z.string(), z.unknown()),
  annotations: z.array(annotationSchema),
});
const rankerSchema = z.union([ids, z.record(z.string(), ids)]);
type Annotation = z.infer<typeof annotationSchema>;

export const labelStudio: Layout = {
  label: "Label Studio (Ranker)",
  shape,
  container: "array",
  leavesOut: "Notes on rankings.",
  matches: (item) => "data" in item && Array.isArray(item.annotations),
  *read(item) {
    yield readTask(item);
  },
  *write(record) {
    yield writeTask(record);
  },
};

function readTask(item: JsonItem): RankedPrompt | ItemFault {
  const task = parseItem(taskSchema, item, shape);
  if (task instanceof ItemFault) return task;
  const list = findList(task.data);
  const prompt = findPrompt(task.data);
  if (list instanceof ItemFault) return list;
  if (prompt instanceof ItemFault) return prompt;
  const places = new Map(list.items.map(({ id }, place) => [id, place]));
  const rankings: ResponseRanking[] = [];
  for (const [index, annotation] of task.annotations.entries()) {
    if (annotation.was_cancelled) continue;
    const ranking = readAnnotation(annotation, places, `annotations.${index}`);
    if (ranking instanceof ItemFault) return ranking;
    if (ranking) rankings.push(ranking);
  }
  const id = typeof task.data.prompt_id === "string" ? task.data.prompt_id : task.id;
  return defined({
    id,
    prompt: prompt.turns,
    responses: list.items.map(({ body, html, title, model, ...rest }) =>
      defined({ text: body ?? html ?? title ?? "", model, meta: restOf(rest, ["id"]) }),
    ),
    rankings,
    meta: restOf(task.data, [prompt.field, list.field, "prompt_id"]),
  });
}

/** The list that the Ranker orders goes by any name in a task's data: it is the field that holds items with ids. */
function findList(data: JsonItem): { field: string; items: z.infer<typeof listItem>[] } | ItemFault {
  for (const [field, value] of Object.entries(data)) {
    const items = z.array(listItem).min(1).safeParse(value);
    if (items.success) return { field, items: items.data };
  }
  return new ItemFault("data", "has no list of items with ids", `Expected: ${shape}`);
}

function findPrompt(data: JsonItem): { field: string; turns: PromptTurn[] } | ItemFault {
  for (const field of ["prompt", "messages", "question", "instruction", "text"]) {
    const value = data[field];
    if (typeof value === "string") return { field, turns: [userTurn(value)] };
    const turns = z.array(messageSchema).min(1).safeParse(value);
    if (turns.success) return { field, turns: turns.data };
  }
  const reason = "has no prompt, messages, question, instruction or text";
  return new ItemFault("data.prompt", reason, `Expected: ${shape}`);
}

function readAnnotation(
  annotation: Annotation,
  places: ReadonlyMap<string, number>,
  field: string,
): ResponseRanking | ItemFault | null {
  const index = annotation.result.findIndex(
    ({ type, value }) => type === "ranker" || (value && "ranker" in value),
  );
  if (index < 0) return null;
  const read = parseItem(rankerSchema, annotation.result[index]?.value?.ranker, shape);
  const at = `${field}.result.${index}.value.ranker`;
  if (read instanceof ItemFault) return new ItemFault(at, read.reason, read.remedy);
  const tiers = tiersOf(read);
  if (tiers === null) {
    const remedy = "Name buckets by rank, rank_1 for the best, so that it is told which is better.";
    return new ItemFault(at, `has the buckets ${Object.keys(read).join(", ")}`, remedy);
  }
  const unknown = tiers.flat().find((id) => !places.has(id));
  if (unknown !== undefined)
    return new ItemFault(at, `names ${unknown}, which is not in the list`, "Use ids of its items.");
  const { completed_by: labeler, created_at: made } = annotation;
  return defined({
    ranks: ranksOfTiers(
      tiers.map((tier) => tier.flatMap((id) => places.get(id) ?? [])),
      places.size,
    ),
    labeler: labeler ?? undefined,
    instructionVersion: annotation.instruction_version,
    noneAcceptable: annotation.none_acceptable,
    at: made ?? undefined,
  });
}

/** One list is an order; several are buckets, where "_" holds what was put nowhere. null where no rank is told by names. */
function tiersOf(ranker: z.infer<typeof rankerSchema>): string[][] | null {
  if (Array.isArray(ranker)) return ranker.map((id) => [id]);
  const buckets = Object.entries(ranker).filter(([name]) => name !== "_");
  const numbered = buckets.map(([name, bucket]) => ({ rank: Number(/(\d+)$/.exec(name)?.[1]), bucket }));
  if (numbered.every(({ rank }) => !Number.isNaN(rank))) {
    return numbered.toSorted((a, b) => a.rank - b.rank).map(({ bucket }) => bucket);
  }
  const [only, ...others] = buckets;
  return only && others.length === 0 && !("_" in ranker) ? only[1].map((id) => [id]) : null;
}

function writeTask(record: RankedPrompt): JsonItem {
  const items = record.responses.map(({ text, model, meta }, place) =>
    defined({ ...meta, id: `response-${place + 1}`, title: `Response ${place + 1}`, body: text, model }),
  );
  const annotations = record.rankings.map((ranking) =>
    defined({
      completed_by: ranking.labeler,
      was_cancelled: false,
      created_at: ranking.at,
      instruction_version: ranking.instructionVersion,
      none_acceptable: ranking.noneAcceptable,
      result: [
        {
          from_name: "rank",
          to_name: "responses",
          type: "ranker",
          value: { ranker: bucketsOf(ranking.ranks) },
        },
      ],
    }),
  );
  const data = defined({ ...record.meta, prompt_id: record.id, prompt: record.prompt, items });
  return { data, annotations };
}

function bucketsOf(ranks: readonly (number | null)[]): Record<string, string[]> {
  const buckets: Record<string, string[]> = {};
  for (const [place, rank] of ranks.entries()) {
    const name = rank === null ? "_" : `rank_${rank}`;
    buckets[name] = [...(buckets[name] ?? []), `response-${place + 1}`];
  }
  return buckets;
}
