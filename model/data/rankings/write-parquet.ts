/** @file Records as one Parquet file, a row each, with prompt, responses and rankings as nested columns; `meta` is text that holds JSON. */
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { RankedPrompt } from "./ranked-prompt";

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]["schema"][number];

const optional = { repetition_type: "OPTIONAL" } as const;
const text = (name: string): SchemaElement => ({
  name,
  type: "BYTE_ARRAY",
  converted_type: "UTF8",
  ...optional,
});
/** Three levels, as the format's LogicalTypes.md asks. */
const list = (name: string, element: SchemaElement[]): SchemaElement[] => [
  { name, converted_type: "LIST", num_children: 1, ...optional },
  { name: "list", repetition_type: "REPEATED", num_children: 1 },
  ...element,
];
const struct = (fields: SchemaElement[][]): SchemaElement[] => [
  { name: "element", num_children: fields.length, ...optional },
  ...fields.flat(),
];

const columns = {
  id: [text("id")],
  prompt: list("prompt", struct([[text("role")], [text("content")]])),
  responses: list("responses", struct([[text("text")], [text("model")], [text("meta")]])),
  rankings: list(
    "rankings",
    struct([
      list("ranks", [{ name: "element", type: "INT32", ...optional }]),
      [text("labeler")],
      [text("instructionVersion")],
      [{ name: "noneAcceptable", type: "BOOLEAN", ...optional }],
      [text("at")],
      [text("meta")],
    ]),
  ),
  meta: [text("meta")],
} as const satisfies Record<keyof RankedPrompt, SchemaElement[]>;

const schema: SchemaElement[] = [
  { name: "root", num_children: Object.keys(columns).length },
  ...Object.values(columns).flat(),
];

/** A row group is written, and its memory free again, once either is reached. */
const groupRows = 1000;
const groupCharacters = 16 * 2 ** 20;

/** The bytes of the file, a row group at a time. Fields that a record lacks are null. */
export async function* writeParquet(
  records: AsyncIterable<RankedPrompt> | Iterable<RankedPrompt>,
): AsyncGenerator<Uint8Array> {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema, createdBy: "attune" });
  let group: RankedPrompt[] = [];
  let characters = 0;
  for await (const record of records) {
    group.push(record);
    characters += sizeOf(record);
    if (group.length < groupRows && characters < groupCharacters) continue;
    await writeGroup(parquet, group);
    yield takeBytes(writer);
    [group, characters] = [[], 0];
  }
  await writeGroup(parquet, group);
  await parquet.finish();
  yield takeBytes(writer);
}

async function writeGroup(parquet: ParquetWriter, group: readonly RankedPrompt[]): Promise<void> {
  if (group.length === 0) return;
  await parquet.write({
    columnData: [
      { name: "id", data: group.map(({ id }) => id) },
      { name: "prompt", data: group.map(({ prompt }) => prompt) },
      { name: "responses", data: group.map(({ responses }) => responses.map(withJsonMeta)) },
      { name: "rankings", data: group.map(({ rankings }) => rankings.map(withJsonMeta)) },
      { name: "meta", data: group.map((record) => withJsonMeta(record).meta) },
    ],
    rowGroupSize: group.length,
  });
}

/** As text: a column of type JSON goes through a copy of hyparquet-writer's that loses keys such as __proto__. */
function withJsonMeta<T extends { meta?: object | undefined }>(
  value: T,
): Omit<T, "meta"> & { meta?: string } {
  const { meta, ...rest } = value;
  return meta === undefined ? rest : { ...rest, meta: JSON.stringify(meta) };
}

/** Offsets in the file go on counting: only the buffer is emptied. */
function takeBytes(writer: ByteWriter): Uint8Array {
  const bytes = new Uint8Array(writer.buffer.slice(0, writer.index));
  writer.index = 0;
  return bytes;
}

function sizeOf({ prompt, responses }: RankedPrompt): number {
  return (
    prompt.reduce((sum, { content }) => sum + content.length, 0) +
    responses.reduce((sum, each) => sum + each.text.length, 0)
  );
}
