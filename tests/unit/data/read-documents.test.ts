/** @file Documents for pretraining: each layout, where a text file is cut, and unfit lines by file and line. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { documentExamples, readDocuments } from "@/model/data/read-documents";
import { DataFileError } from "@/model/data/read-lines";
import { temporaryFolder } from "../../helpers/temporary-folder";

test("JSONL of texts and of conversations, one document a line", async () => {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, "data.jsonl");
  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello!" },
  ];
  await writeFile(file, ['{"text": "One."}', "", JSON.stringify({ messages })].join("\n"));
  const { documents, problems } = await readDocuments([file]);
  expect(documents).toEqual(["One.", "user\nHi\nassistant\nHello!"]);
  expect(problems).toEqual([]);
});

test("a text file is cut at line ends into documents of about 4096 characters", async () => {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, "data.txt");
  const text = Array.from({ length: 400 }, (_, i) => `Line ${i} of a long text.\n`).join("");
  await writeFile(file, text);
  const { documents } = await readDocuments([file]);
  expect(documents.join("")).toBe(text);
  expect(documents.length).toBe(3);
  for (const document of documents) expect(document.endsWith("\n")).toBe(true);
});

test("unfit lines are named and left out; bytes that are no UTF-8 too, in text files as well", async () => {
  await using folder = await temporaryFolder();
  const [lines, text] = ["lines.jsonl", "text.txt"].map((name) => path.join(folder.path, name));
  const latin1 = Buffer.from('{"text": "Gr\xfc\xdfe"}\n', "latin1");
  const others = ["{", '{"text": " "}', '{"body": "x"}', '{"messages": []}', '{"text": "good"}'].join("\n");
  await writeFile(lines ?? "", Buffer.concat([latin1, Buffer.from(others)]));
  await writeFile(
    text ?? "",
    Buffer.concat([Buffer.from("\ufefffirst\n"), Buffer.from([0xc3, 0x28, 0x0a]), Buffer.from("third\n")]),
  );
  const { documents, problems } = await readDocuments([lines ?? "", text ?? ""]);
  expect(documents).toEqual(["good", "first\nthird\n"]);
  expect(problems.map(({ file, line, reason }) => `${path.basename(file)}:${line} ${reason}`)).toEqual([
    "lines.jsonl:1 is not UTF-8",
    "lines.jsonl:2 is not JSON",
    "lines.jsonl:3 text: is empty",
    expect.stringMatching(/^lines.jsonl:4 text: /),
    expect.stringMatching(/^lines.jsonl:5 messages: /),
    "text.txt:2 is not UTF-8",
  ]);
});

test("a file that is not there is named", async () => {
  await expect(readDocuments(["nowhere.txt"])).rejects.toThrow(DataFileError);
});

test("a document is cut into pieces of a row, and a lone token is left out: nothing predicts it", () => {
  const pieces = documentExamples([1, 2, 3, 4, 5, 6, 7], 3);
  expect(pieces.map(({ tokens }) => tokens)).toEqual([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  expect(pieces.every(({ counted }) => counted.every(Boolean))).toBe(true);
});
