/**
 * @file Argilla's export of records with a ranking question: of version 2 (`Dataset.records.to_json`) and of version 1
 * (feedback records). The question's options are names of fields, as "response-1".
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
  toDenseRanks,
} from "./ranked-prompt";

const shape =
  '{"fields": {"prompt": text or turns, "response-1": text, "response-2": text, …}, "responses": {"ranking": [{"user_id", "value": [{"value": "response-1", "rank": 1}, …]}]}}.';

/** With ranks, or best first. */
const rankingValue = z.union([
  z.array(z.string()).min(1),
  z.array(z.object({ value: z.string(), rank: z.number().nullish() })).min(1),
]);
type RankingValue = z.infer<typeof rankingValue>;
const fieldValue = z.union([z.string(), z.array(messageSchema).min(1)]);
const recordSchema = z.object({
  id: z.string().nullish(),
  fields: z.record(z.string(), z.unknown()),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  responses: z.union([
    z.record(z.string(), z.array(z.object({ value: z.unknown(), user_id: z.string().nullish() }))),
    z.array(
      z.object({
        user_id: z.string().nullish(),
        status: z.string().nullish(),
        values: z.record(z.string(), z.object({ value: z.unknown() })).nullish(),
      }),
    ),
  ]),
});
type ArgillaRecord = z.infer<typeof recordSchema>;
type Answer = { value: RankingValue; labeler: string | undefined };

export const argilla: Layout = {
  label: "Argilla (ranking question)",
  shape,
  container: "array",
  leavesOut: "When a ranking was made, notes on rankings and responses.",
  matches: (item) => typeof item.fields === "object" && item.fields !== null && "responses" in item,
  *read(item) {
    yield readRecord(item);
  },
  *write(record) {
    yield writeRecord(record);
  },
};

function readRecord(item: JsonItem): RankedPrompt | ItemFault {
  const record = parseItem(recordSchema, item, shape);
  if (record instanceof ItemFault) return record;
  const answers = answersOf(record);
  const options = [
    ...new Set(answers.flatMap(({ value }) => optionsOf(value).map((option) => option.value))),
  ];
  const fields = matchFields(options, record.fields);
  if (fields instanceof ItemFault) return fields;
  const prompt = findPrompt(record.fields, fields);
  if (prompt instanceof ItemFault) return prompt;
  const names = Object.keys(record.fields).filter((name) => fields.has(name));
  const metadata = record.metadata ?? {};
  const ranks = ({ value }: Answer) => {
    const byField = new Map(
      optionsOf(value).map(({ value: option, rank }) => [fields.byOption(option), rank]),
    );
    return toDenseRanks(names.map((name) => byField.get(name) ?? null));
  };
  return defined({
    id: record.id ?? undefined,
    prompt: prompt.turns,
    responses: names.map((name) => {
      const model = metadata[`model.${name}`];
      return defined({
        text: String(record.fields[name] ?? ""),
        model: typeof model === "string" ? model : undefined,
      });
    }),
    rankings: answers.map((answer, place): ResponseRanking => {
      const noted = (key: string) => textAt(metadata[key], place);
      return defined({
        ranks: ranks(answer),
        labeler: answer.labeler,
        instructionVersion: noted("instruction_version"),
        noneAcceptable: noted("none_acceptable") === "true" ? true : undefined,
      });
    }),
    meta: restOf(metadata, [
      ...names.map((name) => `model.${name}`),
      "instruction_version",
      "none_acceptable",
    ]),
  });
}

function textAt(list: unknown, place: number): string | undefined {
  const value: unknown = Array.isArray(list) ? list[place] : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Answers to other questions have another kind of value and are passed over, as are drafts and discarded ones. */
function answersOf({ responses }: ArgillaRecord): Answer[] {
  const all = Array.isArray(responses)
    ? responses
        .filter(({ status }) => status === undefined || status === null || status === "submitted")
        .flatMap(({ user_id, values }) =>
          Object.values(values ?? {}).map(({ value }) => ({ value, user_id })),
        )
    : Object.values(responses).flat();
  return all.flatMap(({ value, user_id }) => {
    const ranking = rankingValue.safeParse(value);
    return ranking.success ? [{ value: ranking.data, labeler: user_id ?? undefined }] : [];
  });
}

function optionsOf(value: RankingValue): { value: string; rank: number | null }[] {
  return value.map((option, place) =>
    typeof option === "string"
      ? { value: option, rank: place + 1 }
      : { value: option.value, rank: option.rank ?? null },
  );
}

type Fields = { has(name: string): boolean; byOption(option: string): string | undefined };

/** An option is a field by its name, or by the number at its end: "reply-1" for the field "response-1". */
function matchFields(options: readonly string[], fields: JsonItem): Fields | ItemFault {
  const texts = Object.keys(fields).filter((name) => typeof fields[name] === "string");
  const numberOf = (name: string) => /(\d+)$/.exec(name)?.[1];
  const byOption = new Map<string, string>();
  for (const option of options) {
    const sameNumber = texts.filter(
      (name) => numberOf(name) !== undefined && numberOf(name) === numberOf(option),
    );
    const field = option in fields ? option : sameNumber.length === 1 ? sameNumber[0] : undefined;
    if (field === undefined) {
      const reason = `${option} is ranked, and no field of text goes by that name or number`;
      return new ItemFault("fields", reason, `Expected: ${shape}`);
    }
    byOption.set(option, field);
  }
  // Without an answer the responses are told by the numbers at their ends.
  const ranked = new Set(options.length > 0 ? byOption.values() : texts.filter((name) => numberOf(name)));
  return { has: (name) => ranked.has(name), byOption: (option) => byOption.get(option) };
}

function findPrompt(fields: JsonItem, responses: Fields): { turns: PromptTurn[] } | ItemFault {
  const others = Object.keys(fields).filter((name) => !responses.has(name));
  const known = ["prompt", "instruction", "question", "messages"].find((name) => others.includes(name));
  const name = known ?? (others.length === 1 ? others[0] : undefined);
  const value = fieldValue.safeParse(name === undefined ? undefined : fields[name]);
  if (!value.success) {
    const reason = `no prompt among the fields ${Object.keys(fields).join(", ")}`;
    return new ItemFault("fields.prompt", reason, `Expected: ${shape}`);
  }
  return { turns: typeof value.data === "string" ? [userTurn(value.data)] : value.data };
}

function writeRecord(record: RankedPrompt): JsonItem {
  const names = record.responses.map((_, place) => `response-${place + 1}`);
  const models = record.responses.flatMap(({ model }, place) =>
    model === undefined ? [] : [[`model.${names[place]}`, model]],
  );
  const noted = (values: readonly string[]) => (values.some((value) => value !== "") ? values : undefined);
  return defined({
    id: record.id,
    fields: {
      prompt: record.prompt,
      ...Object.fromEntries(record.responses.map(({ text }, place) => [names[place], text])),
    },
    metadata: defined({
      ...record.meta,
      ...Object.fromEntries(models),
      // Beside the answers, which take no fields of ours.
      instruction_version: noted(record.rankings.map(({ instructionVersion }) => instructionVersion ?? "")),
      none_acceptable: noted(record.rankings.map(({ noneAcceptable }) => (noneAcceptable ? "true" : ""))),
    }),
    suggestions: {},
    responses: {
      ranking: record.rankings.map(({ ranks, labeler }) =>
        defined({
          user_id: labeler,
          value: ranks.flatMap((rank, place) => (rank === null ? [] : [{ value: names[place], rank }])),
        }),
      ),
    },
  });
}
