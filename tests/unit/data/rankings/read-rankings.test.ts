/** @file Reading as a stream: gzip, bad items named and passed over, files that no layout fits, memory and progress. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { renameLabelers } from "@/model/data/rankings/ranked-prompt";
import { describeProblem, openRankings, readRankings } from "@/model/data/rankings/read-rankings";
import { isRead, readText } from "../../../helpers/ranked-prompts";
import { temporaryFolder } from "../../../helpers/temporary-folder";

const pair = (n: number) => JSON.stringify({ prompt: `Question ${n}?`, chosen: "Good.", rejected: "Bad." });

test("a bad line is named by file, item, line, field and remedy, and costs no other", async () => {
  const { records, problems } = await readText(
    Buffer.concat([
      Buffer.from(`\ufeff${pair(1)}\n\n{"prompt": \n`),
      Buffer.from('{"prompt": "Gr\xfc\xdfe", "chosen": "a", "rejected": "b"}\n', "latin1"),
      Buffer.from(
        `[1]\n{"prompt": "x", "chosen": "a"}\n{"prompt": " ", "chosen": "a", "rejected": "b"}\r\n${pair(2)}`,
      ),
    ]),
  );
  expect(records.map(({ prompt }) => prompt[0]?.content)).toEqual(["Question 1?", "Question 2?"]);
  expect(problems.map(describeProblem)).toEqual([
    expect.stringMatching(
      /^data\.jsonl, item 2 on line 3: is not JSON: .*\. Put one whole JSON object on each line/,
    ),
    "data.jsonl, item 3 on line 4: is not UTF-8. Save the file as UTF-8.",
    "data.jsonl, item 4 on line 5: is no JSON object. Each line, or each element of one array, is an object.",
    expect.stringMatching(/^data\.jsonl, item 5 on line 6: rejected: .*\. Expected: \{"prompt"\?/),
    "data.jsonl, item 6 on line 7: prompt.0: is empty. Give each turn of the prompt its text.",
  ]);
});

test("an array's bad element is named by item and line, one bracket too many included", async () => {
  const { records, problems } = await readText(`[\n${pair(1)},\n{"chosen": }},\n${pair(2)}\n]\n`, {
    chunkBytes: 3,
  });
  expect(records).toHaveLength(2);
  expect(problems.map(({ place }) => place)).toEqual([{ file: "data.jsonl", item: 2, line: 3 }]);
});

describe("a record must be a ranking", () => {
  const own = (rest: object) =>
    JSON.stringify({
      formatVersion: 1,
      prompt: [{ role: "user", content: "Hi" }],
      responses: [{ text: "a" }, { text: "b" }],
      rankings: [{ ranks: [1, 2] }],
      ...rest,
    });
  test.each([
    [{ responses: [{ text: "a" }], rankings: [] }, "responses: there is one response"],
    [{ rankings: [{ ranks: [1] }] }, "rankings.0.ranks: 1 ranks for 2 responses"],
    [{ rankings: [{ ranks: [0, 1] }] }, "rankings.0.ranks.0: "],
    [{ prompt: [{ role: "assistant", content: "Hi" }] }, "prompt: does not end with a user's turn"],
    [{ prompt: [{ role: "human", content: "Hi" }] }, "prompt.0.role: unknown role"],
    [{ formatVersion: 9 }, "formatVersion: is 9, and this version of Attune reads 1"],
  ])("%o", async (rest, message) => {
    const { records, problems } = await readText(own(rest), { layout: "kWay" });
    expect(records).toEqual([]);
    expect(String(problems[0]?.fault)).toContain(message);
  });
});

describe("a file that cannot be read on", () => {
  test("no layout fits: its fields and the known layouts are named", async () => {
    await expect(readText('{"a": 1, "b": 2}\n')).rejects.toThrow(
      /^Data file data\.jsonl: its first item has the fields a, b, which fit no layout\. Known layouts: Arena battles; /,
    );
    await expect(readText("")).rejects.toThrow("It holds no JSON objects.");
    await expect(readText(Array.from({ length: 30 }, () => '{"a": 1}').join("\n"))).rejects.toThrow(
      "fit no layout",
    );
  });

  test("an item that fits no layout before others that do is a bad item", async () => {
    const { records, problems } = await readText(`{"comment": "made by hand"}\n${pair(1)}`);
    expect([records.length, problems.length]).toEqual([1, 1]);
  });

  test("an array that is cut, or goes on after its end", async () => {
    await expect(readText(`[${pair(1)},\n{"prompt": "x`)).rejects.toThrow(
      "the file ends inside item 2, which begins on line 2. Export it again.",
    );
    await expect(readText(`[${pair(1)},\n`)).rejects.toThrow("the JSON array has no end");
    await expect(readText(`[${pair(1)}] ${pair(2)}`)).rejects.toThrow("the JSON array ends before line 1");
  });

  test("gzip data that is cut: what came before it has been read", async () => {
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "cut.jsonl.gz");
    const unlike = (n: number) => createHash("sha256").update(String(n)).digest("hex");
    const long = (n: number) => JSON.stringify({ prompt: unlike(n), chosen: "a", rejected: "b" });
    const whole = gzipSync(Array.from({ length: 5000 }, (_, n) => long(n)).join("\n"));
    await writeFile(file, whole.subarray(0, whole.length / 2));
    let records = 0;
    const reading = (async () => {
      for await (const read of readRankings(await openRankings(file))) records += Number(isRead(read));
    })();
    await expect(reading).rejects.toThrow(/cut\.jsonl\.gz: its gzip data is damaged or cut/);
    expect(records).toBeGreaterThan(1000);
  });

  test("no such file, and a folder", async () => {
    await using folder = await temporaryFolder();
    await expect(openRankings(path.join(folder.path, "none.jsonl"))).rejects.toThrow("there is no such file");
    await expect(openRankings(folder.path)).rejects.toThrow("it is no file");
  });
});

test("gzip is told by its bytes, progress counts bytes of the file, and it can be stopped", async () => {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, "pairs.jsonl");
  await writeFile(file, gzipSync(Array.from({ length: 100 }, (_, n) => pair(n)).join("\n")));
  const source = await openRankings(file);
  const progress: number[] = [];
  let records = 0;
  for await (const read of readRankings(source, { onProgress: (bytes) => progress.push(bytes) }))
    records += Number(isRead(read));
  expect(records).toBe(100);
  expect(progress.at(-1)).toBe(source.sizeBytes);

  const controller = new AbortController();
  const stopped = (async () => {
    for await (const _ of readRankings(await openRankings(file), { signal: controller.signal }))
      controller.abort();
  })();
  await expect(stopped).rejects.toThrow("aborted");
});

test("an item above the limit is named and passed over", async () => {
  const long = JSON.stringify({ prompt: "x".repeat(5000), chosen: "a", rejected: "b" });
  for (const text of [`${pair(1)}\n${long}\n${pair(2)}`, `[${pair(1)}, ${long}, ${pair(2)}]`]) {
    const { records, problems } = await readText(text, { maxItemBytes: 1000, chunkBytes: 300 });
    expect(records).toHaveLength(2);
    expect(problems.map(({ place, fault }) => [place.item, fault.reason])).toEqual([
      [2, "is longer than 1000 bytes"],
    ]);
  }
});

test("a deep tree is read without running out of stack", async () => {
  const depth = 20_000;
  const open = '{"text":"a","role":"prompter","replies":['.repeat(depth);
  const text = `{"message_tree_id":"t","prompt":${open}${"]}".repeat(depth)}}`;
  const { records, problems } = await readText(text);
  expect(records).toEqual([]);
  expect(problems.length).toBeLessThanOrEqual(1);
});

test("labelers get the names that are given for them", () => {
  const record = {
    prompt: [{ role: "user" as const, content: "Hi" }],
    responses: [{ text: "a" }, { text: "b" }],
    rankings: [{ ranks: [1, 2], labeler: "ann@example.org" }, { ranks: [1, 1] }],
  };
  const renamed = renameLabelers(record, (labeler) => `labeler-${labeler.length}`);
  expect(renamed.rankings.map(({ labeler }) => labeler)).toEqual(["labeler-15", undefined]);
});
