/** @file `attune score` from a terminal: scores and report of rankings, scores of plain responses, and what it refuses. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { rewardReportSchema } from "@/model/eval/reward/report";
import { runReward } from "@/model/train/reward";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { parseConfig } from "@/model/train/run-config";
import { runAttune } from "../../helpers/attune-command";
import { temporaryFolder } from "../../helpers/temporary-folder";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let model = "";
let rankings = "";
const inFolder = (name: string) => path.join(folder.path, name);
const words = ["dog", "cat", "fox", "owl", "bell", "book", "ring", "ship"];

beforeAll(async () => {
  folder = await temporaryFolder();
  rankings = inFolder("rankings.jsonl");
  const lines = words.map((word) =>
    JSON.stringify({
      prompt: `Say ${word}`,
      responses: [{ text: word }, { text: word.toUpperCase() }, { text: "" }],
      rankings: [
        { ranks: [1, 2, 3], labeler: "ann" },
        { ranks: [1, 1, 2], labeler: "zoe", meta: { group: "heldOut" } },
      ],
    }),
  );
  await writeFile(rankings, lines.join("\n"));
  const summary = await runReward(
    parseConfig(rewardConfigSchema, {
      model: tiny,
      data: [rankings],
      output: inFolder("run"),
      threads: 1,
      probePrompts: 0,
    }),
    { onEvent: () => {} },
  );
  model = summary.checkpoint;
});
afterAll(() => folder[Symbol.asyncDispose]());

const score = (...args: string[]) => runAttune(["score", "--model", model, "--threads", "1", ...args]);
const line = z.object({
  line: z.number(),
  scores: z.array(
    z.object({
      score: z.number(),
      tokens: z.number(),
      perToken: z.array(z.object({ text: z.string(), score: z.number() })).optional(),
    }),
  ),
});

test("rankings give a line a prompt, a report with texts and leaks, and a summary", async () => {
  const files = ["--data", rankings, "--training", rankings, "--output", inFolder("scores.jsonl")];
  const { code, lines, errors } = await score(...files, "--probes", "2", "--json");
  expect(code).toBe(0);
  const scores = (await readFile(inFolder("scores.jsonl"), "utf8")).trim().split("\n");
  expect(scores.map((each) => line.parse(JSON.parse(each)).scores.length)).toEqual(words.map(() => 3));
  const report = rewardReportSchema.parse(JSON.parse(await readFile(inFolder("reward-report.json"), "utf8")));
  expect(report).toMatchObject({
    prompts: words.length,
    isHeldOut: false,
    main: { rankings: words.length, pairs: 3 * words.length },
    heldOutGroup: { rankings: words.length, pairs: 2 * words.length, ties: words.length },
    leaks: { prompts: words.length },
    probes: { prompts: 2 },
  });
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({
    prompts: words.length,
    responses: 3 * words.length,
    leftOut: 0,
    report: inFolder("reward-report.json"),
    accuracy: { pairs: 3 * words.length },
  });
  expect(errors).toContain("Warning: These prompts were trained on");
});

test("plain responses are scored token by token, the last of which is the score", async () => {
  const data = inFolder("plain.jsonl");
  await writeFile(data, '{"prompt": "Say dog", "response": "dog"}\n{"prompt": 3}\n');
  const { code, lines, errors } = await score("--data", data, "--tokens");
  expect(code).toBe(0);
  expect(lines).toHaveLength(1);
  const [only] = line.parse(JSON.parse(lines[0] ?? "")).scores;
  expect(only?.perToken?.length).toBe(only?.tokens);
  expect(only?.perToken?.at(-1)?.score).toBeCloseTo(only?.score ?? Number.NaN, 5);
  expect(errors).toMatch(/Left out: .*plain\.jsonl, line 2: /);
});

test("refuses another kind of model, a model that is not there, unknown data and a bad number", async () => {
  const data = inFolder("unknown.jsonl");
  await writeFile(data, '{"x": 1}\n');
  const refused = async (...args: string[]) => {
    const { code, errors } = await runAttune(["score", ...args]);
    return `${code} ${errors}`;
  };
  expect(await refused("--model", tiny, "--data", rankings)).toMatch(/^1 ✖ .*is no reward model/);
  expect(await refused("--model", "none", "--data", rankings)).toMatch(
    /^2 ✖ There is no reward model none\. Looked in/,
  );
  expect(await refused("--model", model, "--data", data)).toMatch(
    /^1 ✖ .*the fields x, which fit no layout/s,
  );
  expect(await refused("--model", model, "--data", inFolder("absent"))).toMatch(/there is no such file/);
  expect(await refused("--model", model, "--data", rankings, "--probes", "x")).toMatch(
    /^2 ✖ --probes x: give a whole number/,
  );
});
