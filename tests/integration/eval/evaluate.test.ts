/** @file `attune eval` on the tiny model: its report, its log-probabilities, faults and interruption. */
import fs from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readEvalReport } from "@/model/eval/eval-report";
import { evaluateCheckpoint } from "@/model/eval/evaluate";
import { measureParity } from "@/model/eval/served-parity";
import { ServedPolicy } from "@/model/eval/served-policy";
import { runAttune } from "../../helpers/attune-command";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { tinyModelFolder } from "../../helpers/tiny-model";

const load = (cacheFolder: string) => ({ precision: "fp32" as const, threads: 1, slots: 4, cacheFolder });
const evaluate = (...settings: string[]) =>
  runAttune(["eval", "--json", ...settings.flatMap((each) => ["--set", each])]);

test("log-probabilities of a text read at once are those of drawing it token by token", async () => {
  await using folder = await temporaryFolder();
  await using policy = await ServedPolicy.open(tinyModelFolder, load(folder.path));
  const conversation = [{ role: "user" as const, content: "Tell me a story about a dog." }];
  // Longer than a chunk of the prompt, so that pieces are joined.
  const [response] = await policy.respond([conversation], { maxTokens: 150, temperature: 1, seed: 3 });
  const tokens = response?.tokens ?? [];
  const prompt = policy.promptTokens(conversation, 150);
  const [atOnce] = await policy.tokenLogprobs(prompt, [tokens]);
  const oneByOne: number[] = [];
  for (const [i, token] of tokens.entries()) {
    const [[own] = []] = await policy.tokenLogprobs([...prompt, ...tokens.slice(0, i)], [[token]]);
    oneByOne.push(own ?? Number.NaN);
  }
  expect(tokens.length).toBeGreaterThan(20);
  for (const [i, value] of oneByOne.entries()) expect(atOnce?.[i]).toBeCloseTo(value, 3);
  // What was read before leaves no trace: continuations stand beside each other.
  const [first, second] = await policy.answerLogprobs(conversation, ["Once", "Once"]);
  expect(second).toEqual(first);
});

test("bits per byte count every token but the first of a text", async () => {
  await using folder = await temporaryFolder();
  await using policy = await ServedPolicy.open(tinyModelFolder, load(folder.path));
  const text = "The dog ran into the garden. ".repeat(40);
  const { logprobs, bytes } = await policy.textLogprobs(text);
  const tokens = policy.tokenizer.encode(text);
  expect(logprobs.length).toBeLessThan(tokens.length);
  expect(logprobs.length).toBeGreaterThan(tokens.length * 0.98);
  expect(bytes).toBeLessThan(Buffer.byteLength(text));
  expect(logprobs.every((value) => value <= 0)).toBe(true);
});

test("exact weights served exactly lose nothing; rounded ones lose a little", async () => {
  await using folder = await temporaryFolder();
  const conversation = [{ role: "user" as const, content: "Tell me a story." }];
  await using policy = await ServedPolicy.open(tinyModelFolder, load(folder.path));
  const [response] = await policy.respond([conversation], { maxTokens: 40 });
  const inputs = [{ conversation, response: response?.tokens ?? [] }];
  const options = { ...load(folder.path), hasAdapter: false };
  const exact = await measureParity(tinyModelFolder, inputs, options);
  expect(exact).toMatchObject({ largestGap: 0, effectKept: null, responses: 1 });
  const rounded = await measureParity(tinyModelFolder, inputs, { ...options, precision: "int4" });
  expect(rounded.meanGap).toBeGreaterThan(0);
  expect(rounded.meanGap).toBeLessThan(0.5);
});

test("stopped midway, it ends at once with the signal's reason", async () => {
  await using folder = await temporaryFolder();
  const stopping = new AbortController();
  let answered = 0;
  const config = { model: tinyModelFolder, suites: ["format"], items: null, precision: "fp32" } as const;
  const stopped = evaluateCheckpoint(
    { ...config, suites: ["format"], variants: ["zeroShot"], parityResponses: 0, seed: 1, threads: 1 },
    {
      onEvent(event) {
        if (event.type === "item" && ++answered === 3) stopping.abort(new Error("enough"));
      },
      signal: stopping.signal,
      cacheFolder: folder.path,
      suitesFolder: path.resolve("model/suites"),
    },
  );
  await expect(stopped).rejects.toThrow("enough");
});

describe("the command", () => {
  test("measures the suites that ship, twice the same, and tells what changed against a report", async () => {
    await using folder = await temporaryFolder();
    const output = path.join(folder.path, "first");
    const settings = [`model=${tinyModelFolder}`, "items=8", "parityResponses=4", "threads=1"];
    const first = await evaluate(...settings, `output=${output}`);
    expect(first).toMatchObject({ code: 0, errors: "" });
    const report = await readEvalReport(output);
    expect(report.suites.map(({ suite, variant }) => `${suite} ${variant}`)).toEqual([
      "word-problems zeroShot",
      "word-problems fewShot",
      "word-problems reasoning",
      "reading zeroShot",
      "reading fewShot",
      "format zeroShot",
      "format fewShot",
      "safety zeroShot",
      "toxicity zeroShot",
    ]);
    expect(report.parity?.responses).toBe(4);
    const transcripts = (await fs.readFile(path.join(output, "transcripts.jsonl"), "utf8"))
      .trim()
      .split("\n");
    expect(transcripts).toHaveLength(9 * 8);
    const again = await evaluate(...settings, `output=${folder.path}/again`, `against=["${output}"]`);
    const summary = JSON.parse(again.lines.at(-1) ?? "{}");
    expect((await readEvalReport(`${folder.path}/again`)).suites).toEqual(report.suites);
    for (const { difference } of summary.against[0].deltas) expect(difference.value).toBe(0);
  });

  test.each<[string, string[], RegExp]>([
    ["no such suite", ['suites=["poetry"]'], /poetry.*there is no such file/],
    ["no such report", ['against=["/nowhere"]'], /Report \/nowhere: there is no such file/],
    ["no such model", ["model=/nowhere"], /There is no checkpoint \/nowhere/],
    ["a misspelt setting", ["suite=x"], /suite is no setting\. Did you mean suites\?/],
  ])("refuses %s and writes nothing", async (_, settings, message) => {
    await using folder = await temporaryFolder();
    const output = path.join(folder.path, "out");
    const result = await evaluate(`model=${tinyModelFolder}`, `output=${output}`, ...settings);
    expect(result.code).not.toBe(0);
    expect(result.errors).toMatch(message);
    expect(await fs.readdir(folder.path)).toEqual([]);
  });
});
