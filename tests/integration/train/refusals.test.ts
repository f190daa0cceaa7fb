/** @file What the training commands refuse before anything starts: each named on the error stream, with an exit code for scripts. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { runAttune } from "../../helpers/attune-command";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder = "";
let data = "";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-refusals-"));
  data = path.join(folder, "data.jsonl");
  await writeFile(data, '{"prompt": "Say dog", "response": "DOG"}\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const sft = (...settings: string[]) =>
  runAttune([
    "sft",
    ...[`output=${folder}/run`, `data=["${data}"]`, `model=${tiny}`, ...settings].flatMap((each) => [
      "--set",
      each,
    ]),
  ]);

/** A copy of the tiny model with changed JSON files; sizes in its manifest follow. */
async function changedModel(name: string, changes: Record<string, Record<string, unknown>>): Promise<string> {
  const copy = path.join(folder, name);
  await cp(tiny, copy, { recursive: true });
  const record = z.record(z.string(), z.unknown());
  const read = async (file: string) =>
    record.parse(JSON.parse(await readFile(path.join(copy, file), "utf8")));
  const manifest = await read("attune.json");
  const files = z.record(z.string(), record).parse(manifest.files);
  for (const [file, change] of Object.entries(changes)) {
    const text = JSON.stringify({ ...(await read(file)), ...change });
    await writeFile(path.join(copy, file), text);
    if (files[file]) files[file].sizeBytes = Buffer.byteLength(text);
  }
  if (!("attune.json" in changes))
    await writeFile(path.join(copy, "attune.json"), JSON.stringify({ ...manifest, files }));
  return copy;
}

test("a setting that does not exist: exit code 2, the nearest one named", async () => {
  const { code, errors, lines } = await sft("lora.rnk=4");
  expect({ code, errors, lines }).toEqual({
    code: 2,
    errors: "✖ lora.rnk is no setting. Did you mean lora.rank?\n",
    lines: [],
  });
});

test("data that are not there, a folder, or hold nothing", async () => {
  expect(await sft('data=["nowhere.jsonl"]')).toMatchObject({
    code: 1,
    errors: "✖ Data file nowhere.jsonl: there is no such file.\n",
  });
  expect((await sft(`data=["${folder}"]`)).errors).toContain("it is a folder");
  const empty = path.join(folder, "empty.jsonl");
  await writeFile(empty, "\n\n");
  expect((await sft(`data=["${empty}"]`)).errors).toContain("No demonstration is left to train on");
});

test("a base that is no folder, no checkpoint, an adapter alone, or a run's folder", async () => {
  expect((await sft(`model=${folder}/nowhere`)).errors).toContain(
    "nowhere is no folder. Give the folder of a checkpoint",
  );
  expect((await sft(`model=${folder}`)).errors).toContain("it has no attune.json");
  const adapter = path.join(folder, "adapter");
  await mkdir(adapter);
  await writeFile(path.join(adapter, "adapter_config.json"), "{}");
  expect((await sft(`model=${adapter}`)).errors).toContain(
    "holds an adapter that is no checkpoint: it has no attune.json",
  );
  const run = path.join(folder, "a-run");
  await mkdir(path.join(run, "checkpoints"), { recursive: true });
  await writeFile(path.join(run, "run.json"), "{}");
  expect((await sft(`model=${run}`)).errors).toContain("is the folder of a run. Give one of its checkpoints");
});

test("a reward model, another architecture, another family's weights, another model's tokenizer", async () => {
  const manifest = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(await readFile(path.join(tiny, "attune.json"), "utf8")));
  const reward = await changedModel("reward", { "attune.json": { ...manifest, stage: "reward" } });
  expect((await sft(`model=${reward}`)).errors).toContain("is a reward model. Start from a language model");
  const classifier = await changedModel("classifier", {
    "config.json": { architectures: ["LlamaForSequenceClassification"] },
  });
  expect((await sft(`model=${classifier}`)).errors).toContain("is a LlamaForSequenceClassification");
  const family = await changedModel("family", { "config.json": { model_type: "mamba" } });
  expect((await sft(`model=${family}`)).errors).toContain('found model_type "mamba"');
  const added = [{ id: 1600, content: "<|tool|>", special: true }];
  const vocabulary = await changedModel("vocabulary", { "tokenizer.json": { added_tokens: added } });
  expect((await sft(`model=${vocabulary}`)).errors).toContain(
    "the tokenizer has ids up to 1600, the model only 1536 embeddings",
  );
});

test("layers that the model does not have, rows longer than its context, an output that holds something else", async () => {
  expect(await sft('lora.targets=["query"]')).toMatchObject({
    code: 1,
    errors: expect.stringMatching(/LoRA targets query name no layer of this model. It has q_proj, /),
  });
  expect(await sft("rowLength=600")).toMatchObject({
    code: 2,
    errors: "✖ rowLength: 600 is more than the model's context of 512\n",
  });
  expect((await sft(`output=${folder}`)).errors).toContain("holds something else");
  expect((await sft(`output=${data}`)).errors).toContain("is no folder. Choose another output");
});

test("pretrain: heads that do not divide, a tokenizer that is none, a vocabulary beyond the text", async () => {
  const text = path.join(folder, "text.txt");
  await writeFile(text, "The cat sat on the mat.\n".repeat(400));
  const pretrain = (...settings: string[]) =>
    runAttune([
      "pretrain",
      ...[`output=${folder}/base`, `data=["${text}"]`, "tokenizer.vocabularySize=270", ...settings].flatMap(
        (each) => ["--set", each],
      ),
    ]);
  expect(await pretrain("architecture.headCount=3", "architecture.family=llama")).toMatchObject({
    code: 2,
    errors: "✖ architecture.headCount: 3 heads do not divide a hiddenSize of 128\n",
  });
  expect((await pretrain(`tokenizer=${folder}/nowhere`)).errors).toContain("nowhere is no folder");
  expect(await pretrain("tokenizer.vocabularySize=5000")).toMatchObject({
    code: 1,
    errors: expect.stringMatching(/^✖ The text gives a vocabulary of \d+ tokens, not 5000/),
  });
});
