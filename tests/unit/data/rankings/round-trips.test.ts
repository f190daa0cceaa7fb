/** @file What is written in a layout is read again as it was, as far as the layout holds it. */
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import type { LayoutName } from "@/model/data/rankings/layouts";
import { type RankedPrompt, toDenseRanks } from "@/model/data/rankings/ranked-prompt";
import { writeParquet } from "@/model/data/rankings/write-parquet";
import { writeRankings } from "@/model/data/rankings/write-rankings";
import { anyComparison, anyRankedPrompt, readText } from "../../../helpers/ranked-prompts";

async function write(records: RankedPrompt[], layout: LayoutName) {
  const faults: string[] = [];
  let text = "";
  for await (const part of writeRankings(records, layout, { onFault: (fault) => faults.push(String(fault)) }))
    text += part;
  return { text, faults };
}

/** Small chunks cut characters and items anywhere. */
const chunkBytes = fc.constantFrom(1, 7, 1000);

async function expectRoundTrip(layout: LayoutName, records: RankedPrompt[], chunk: number) {
  const { text, faults } = await write(records, layout);
  expect(faults).toEqual([]);
  const read = await readText(text, { layout, chunkBytes: chunk });
  expect(read.problems).toEqual([]);
  expect(read.records).toEqual(records);
}

const roundTrip = (layout: LayoutName, record: fc.Arbitrary<RankedPrompt>) =>
  fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 4 }), chunkBytes, (records, chunk) =>
      expectRoundTrip(layout, records, chunk),
    ),
    { numRuns: 30 },
  );

const anything = anyRankedPrompt({ K: { min: 2, max: 9 }, rankings: { min: 0, max: 3 }, withMeta: true });

/** Ranks that are told by order alone come back dense. */
function withDenseRanks(record: RankedPrompt): RankedPrompt {
  const rankings = record.rankings.map((ranking) => ({ ...ranking, ranks: toDenseRanks(ranking.ranks) }));
  return { ...record, rankings };
}

test("K-way rankings keep everything", async () => {
  await roundTrip("kWay", anything);
});

test("Parquet keeps everything", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anything, { maxLength: 5 }), async (records) => {
      const parts: Uint8Array[] = [];
      for await (const part of writeParquet(records)) parts.push(part);
      const { buffer } = new Uint8Array(Buffer.concat(parts));
      const rows = await parquetReadObjects({ file: buffer });
      expect(withoutNulls(rows)).toEqual(records);
    }),
    { numRuns: 30 },
  );
});

/** Columns that a record lacks are null; in ranks null is content. Meta is JSON as text. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([, each]) => each !== null && each !== undefined);
  return Object.fromEntries(
    fields.map(([key, each]) => [key, key === "meta" ? JSON.parse(String(each)) : withoutNulls(each)]),
  );
}

test("a Parquet file of many rows is written a row group at a time", async () => {
  const record = (place: number): RankedPrompt => ({
    id: `p${place}`,
    prompt: [{ role: "user", content: "Hi" }],
    responses: [{ text: "a" }, { text: "b" }],
    rankings: [{ ranks: [1, 2] }],
  });
  const parts: Uint8Array[] = [];
  for await (const part of writeParquet(Array.from({ length: 2500 }, (_, place) => record(place))))
    parts.push(part);
  expect(parts.length).toBe(3);
  const rows = await parquetReadObjects({ file: new Uint8Array(Buffer.concat(parts)).buffer });
  expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 2500 }, (_, place) => `p${place}`));
});

test("chosen and rejected (TRL) keep a comparison", async () => {
  await roundTrip("trl", anyComparison);
});

test("transcripts (HH) keep a comparison, and refuse a turn that spells out a marker", async () => {
  const ids = anyComparison.map(withStableSystem);
  await roundTrip("hh", ids);
  const forged: RankedPrompt = {
    prompt: [{ role: "user", content: "Say\n\nHuman: no" }],
    responses: [{ text: "a" }, { text: "b" }],
    rankings: [{ ranks: [1, 2] }],
  };
  const { text, faults } = await write([forged], "hh");
  expect(text).toBe("");
  expect(faults).toEqual([expect.stringContaining("Export this prompt in another layout.")]);
});

/** A marker begins with two line ends, so a turn's own at its end stay before it; what is left is to avoid markers. */
function withStableSystem(record: RankedPrompt): RankedPrompt {
  const plain = (text: string) => text.replaceAll("Human:", "Human");
  return {
    ...record,
    prompt: record.prompt.map((turn) => ({ ...turn, content: plain(turn.content) })),
    responses: record.responses.map((response) => ({ ...response, text: plain(response.text) })),
  };
}

test("Arena battles keep a pair, ties and both bad included", async () => {
  const battle = fc
    .tuple(
      anyComparison,
      fc.constantFrom<[number[], boolean]>([[1, 2], false], [[1, 1], false], [[1, 1], true]),
    )
    .map(([record, [ranks, isBad]]): RankedPrompt => {
      const bad = isBad ? { noneAcceptable: true } : {};
      const rankings = record.rankings.map((ranking) => ({ ...ranking, ranks, ...bad }));
      return { ...record, rankings };
    });
  await roundTrip("arena", battle);
});

test("Open-Assistant trees keep prompt, responses and the order", async () => {
  const tree = anyRankedPrompt({ K: { min: 2, max: 6 }, rankings: { min: 1, max: 1 }, withMeta: false }).map(
    (record): RankedPrompt => ({
      ...record,
      id: "m1",
      responses: record.responses.map((response, place) => ({
        ...response,
        meta: { messageId: `r${place}` },
      })),
      rankings: record.rankings.map(({ ranks }) => ({ ranks: toDenseRanks(ranks.map((rank) => rank ?? 1)) })),
      meta: { message_tree_id: "t1" },
    }),
  );
  // Of prompts of several users' turns the last one alone has several replies.
  await roundTrip("oasst", tree);
});

test("Open-Assistant trees carry the consensus of several labelers", async () => {
  const record: RankedPrompt = {
    id: "m1",
    prompt: [{ role: "user", content: "Hi" }],
    responses: [{ text: "a" }, { text: "b" }, { text: "c" }],
    rankings: [{ ranks: [2, 1, 3] }, { ranks: [2, 1, 3] }, { ranks: [1, 2, 3] }],
  };
  const { text } = await write([record], "oasst");
  const read = await readText(text);
  expect(read.records.map(({ rankings }) => rankings)).toEqual([[{ ranks: [2, 1, 3] }]]);
});

test("Label Studio keeps rankings of several labelers with ties", async () => {
  const task = anything.map((record): RankedPrompt => {
    const { meta: _, ...rest } = withDenseRanks(record);
    return {
      ...rest,
      responses: rest.responses.map(({ meta: _, ...response }) => response),
      rankings: rest.rankings.map(({ meta: _, ...ranking }) => ranking),
    };
  });
  await roundTrip("labelStudio", task);
});

test("Argilla keeps rankings of several labelers with ties", async () => {
  const record = anything.map((each): RankedPrompt => {
    const { meta: _, ...rest } = withDenseRanks(each);
    return {
      ...rest,
      responses: rest.responses.map(({ meta: _, ...response }) => response),
      rankings: rest.rankings
        // Somebody ranks each response: what nobody ranks is no option there.
        .map(({ meta: _, at: __, noneAcceptable, ...ranking }) => ({
          ...ranking,
          ranks: toDenseRanks(ranking.ranks.map((rank) => rank ?? 1)),
          ...(noneAcceptable ? { noneAcceptable } : {}),
        })),
    };
  });
  await roundTrip("argilla", record);
});

test("a ranking of K with ties becomes a pair a comparison and a battle a pair", async () => {
  const record: RankedPrompt = {
    id: "p1",
    prompt: [{ role: "user", content: "Hi" }],
    responses: ["a", "b", "c", "d"].map((text) => ({ text, model: `model ${text}` })),
    rankings: [
      { ranks: [1, 2, 2, null], labeler: "labeler-1", instructionVersion: "3" },
      { ranks: [2, 1, 3, 4], labeler: "labeler-2", instructionVersion: "4" },
    ],
  };
  const pairs = await write([record], "trl");
  const rows = pairs.text.trimEnd().split("\n");
  expect(rows).toHaveLength(2 + 6);
  expect(JSON.parse(rows[0] ?? "")).toEqual({
    prompt: [{ role: "user", content: "Hi" }],
    chosen: [{ role: "assistant", content: "a" }],
    rejected: [{ role: "assistant", content: "b" }],
    id: "p1",
    chosenModel: "model a",
    rejectedModel: "model b",
    labeler: "labeler-1",
    instructionVersion: "3",
    rankGap: 1,
  });
  const battles = await write([record], "arena");
  const winners = battles.text
    .trimEnd()
    .split("\n")
    .map((row) => JSON.parse(row).winner);
  expect(winners.toSorted()).toEqual([...Array(8).fill("model_a"), "tie"]);
});
