/** @file What PPO refuses before its first rollout: named, with the remedy, and nothing begun. */
import { existsSync } from "node:fs";
import { cp, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runAttune } from "../../helpers/attune-command";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { tinyModelFolder } from "../../helpers/tiny-model";

let temporary: Awaited<ReturnType<typeof temporaryFolder>>;
const inFolder = (name: string) => path.join(temporary.path, name);

beforeAll(async () => {
  temporary = await temporaryFolder();
});
afterAll(() => temporary[Symbol.asyncDispose]());

/** By its manifest a reward model; none of these runs gets as far as its weights. */
async function rewardModel(
  name: string,
  change: (manifest: { files: Record<string, { sha256: string }> }) => object = () => ({}),
): Promise<string> {
  const folder = inFolder(name);
  if (existsSync(folder)) return folder;
  await cp(tinyModelFolder, folder, { recursive: true });
  const file = path.join(folder, "attune.json");
  const manifest = JSON.parse(await readFile(file, "utf8"));
  await writeFile(
    file,
    JSON.stringify({ ...manifest, name: "The judge", stage: "reward", ...change(manifest) }),
  );
  return folder;
}

async function ppo(
  more: Record<string, unknown> = {},
  lines = '{"prompt": "Say cat"}\n{"prompt": "Say dog"}\n',
) {
  const [config, data, output] = [inFolder("config.json"), inFolder("data.jsonl"), inFolder("output")];
  await writeFile(data, lines);
  const settings = {
    model: tinyModelFolder,
    rewardModels: [await rewardModel("judge")],
    data: [data],
    output,
    threads: 1,
  };
  await writeFile(config, JSON.stringify({ ...settings, ...more }));
  const result = await runAttune(["ppo", "--config", config]);
  expect(existsSync(output)).toBe(false);
  return { code: result.code, errors: result.errors };
}

test("a reward model of another tokenizer, as the score or as a part of it", async () => {
  const other = await rewardModel("other", ({ files }) => ({
    files: { ...files, "tokenizer.json": { ...files["tokenizer.json"], sha256: "0".repeat(64) } },
  }));
  const message =
    /^✖ The reward model The judge has another tokenizer than .*Train one from a checkpoint of the lineage/;
  const alone = await ppo({ rewardModels: [other] });
  expect(alone.code).toBe(1);
  expect(alone.errors).toMatch(message);
  const part = { type: "rewardModel", name: "watcher", weight: 0, model: other };
  expect((await ppo({ parts: [part] })).errors).toMatch(message);
});

test("a reward model that is a language model, or is not there; a policy that is a reward model", async () => {
  expect(await ppo({ rewardModels: [tinyModelFolder] })).toMatchObject({
    code: 1,
    errors: expect.stringContaining("is no reward model"),
  });
  expect((await ppo({ rewardModels: [inFolder("nowhere")] })).errors).toContain("nowhere");
  expect((await ppo({ model: await rewardModel("judge") })).errors).toContain(
    "is a reward model. Start from a language model",
  );
});

test("no prompt, none that fits, a line that is none, only one and that held out", async () => {
  expect(await ppo({}, "\n")).toMatchObject({
    code: 1,
    errors: expect.stringContaining("No prompt is left to answer"),
  });
  const long = `${JSON.stringify({ prompt: "cat ".repeat(600) })}\n`;
  const noRoom = /data\.jsonl:1 leaves no room for 48 tokens in the model's context of 512/;
  expect((await ppo({}, long)).errors).toMatch(noRoom);
  expect((await ppo({ onLongPrompt: "refuse" }, `${long}{"prompt": "Say cat"}\n`)).errors).toMatch(noRoom);
  expect((await ppo({}, '{"prompt": "Say cat"}\n{"question": "x"}\n')).errors).toContain(
    "data.jsonl:2 has none of the fields prompt, messages, instruction",
  );
  expect((await ppo({ validationShare: 0.5 }, '{"prompt": "Say cat"}\n')).errors).toContain(
    "No prompt is left to train on",
  );
});

test("rules that no line says, named by the lines", async () => {
  const parts = [{ type: "rules", name: "format", weight: 1 }];
  const ruled = JSON.stringify({ prompt: "Say cat", rules: [{ type: "ending" }] });
  expect((await ppo({ parts }, `${ruled}\n{"prompt": "Say dog"}\n`)).errors).toContain(
    "data.jsonl:2 has no rules, which the part format checks responses against",
  );
});

test("settings that contradict each other: each named, with exit code 2", async () => {
  const { code, errors } = await ppo({
    beta: 0,
    adaptiveKl: { target: 12 },
    minibatches: 100,
    judge: "nobody",
    parts: [
      { type: "rules", name: "a", weight: 1, rules: [{ type: "ending" }] },
      { type: "rules", name: "a", weight: 1, rules: [{ type: "ending" }] },
    ],
  });
  expect(code).toBe(2);
  expect(errors.trim().split("\n")).toEqual([
    expect.stringContaining("beta: 0 stays 0 however it is steered"),
    expect.stringContaining("adaptiveKl.target: 12 nats are not below guards.klBudget, 10"),
    expect.stringContaining("minibatches: 100 are more than the 64 prompts"),
    expect.stringContaining("parts: the name a is taken"),
    expect.stringContaining("judge: there is no part named nobody; there is a, a"),
  ]);
});

test("text beside the updates in rows longer than the context", async () => {
  const text = inFolder("text.txt");
  await writeFile(text, "The cat sat on the mat.\n");
  expect(await ppo({ ptx: { data: [text], rowLength: 600 } })).toEqual({
    code: 2,
    errors: "✖ ptx.rowLength: 600 is more than the model's context of 512\n",
  });
});
