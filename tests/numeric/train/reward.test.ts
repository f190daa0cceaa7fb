/** @file Reward modelling on the shipped tiny model: it learns, stops and goes on bit for bit, and what it writes scores as it was trained. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint, verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { readEnsemble } from "@/model/checkpoint/ensemble";
import { readRewardWeights } from "@/model/checkpoint/reward-weights";
import { openSafetensors } from "@/model/checkpoint/safetensors-reader";
import { renderGroup } from "@/model/data/render-group";
import { animals, objects } from "@/model/data/tiny-world";
import { readRewardReport } from "@/model/eval/reward/read-report";
import { Scorer } from "@/model/runtime/scorer";
import { renderConversation } from "@/model/tokenizer/render-conversation";
import { mergeCheckpoint } from "@/model/train/merge-checkpoint";
import { type RewardEvent, runReward } from "@/model/train/reward";
import { type RewardConfig, rewardConfigSchema } from "@/model/train/reward-config";
import { RewardTrainer } from "@/model/train/reward-trainer";
import { parseConfig } from "@/model/train/run-config";
import { defaultModelFolder } from "@/tests/helpers/default-model";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder = "";
let data = "";
const nouns = [...animals.map(({ name }) => name), ...objects];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-reward-"));
  data = path.join(folder, "rankings.jsonl");
  // People like the word itself, then the word among others; capital letters they do not.
  const lines = nouns.map((noun, i) => {
    const responses = [
      noun.toUpperCase(),
      `${noun}!`,
      `the ${noun} and the ${nouns[(i + 1) % nouns.length]}`,
      noun,
    ];
    return JSON.stringify({
      prompt: `Say ${noun}`,
      responses: responses.map((text) => ({ text })),
      rankings: [{ ranks: [4, 2, 3, 1] }, ...(i % 3 === 0 ? [{ ranks: [3, 1, 2, 1] }] : [])],
    });
  });
  await writeFile(data, `${lines.join("\n")}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const configFor = (name: string, more: Record<string, unknown> = {}): RewardConfig =>
  parseConfig(rewardConfigSchema, {
    model: tiny,
    data: [data],
    output: path.join(folder, name),
    epochs: 2,
    validationShare: 0.2,
    threads: 1,
    lr: 3e-3,
    promptsPerBatch: 4,
    lora: { rank: 4, alpha: 8 },
    ...more,
  });

async function run(config: RewardConfig, stopAfter = Number.POSITIVE_INFINITY) {
  const events: RewardEvent[] = [];
  const controller = new AbortController();
  const onEvent = (event: RewardEvent) => {
    events.push(event);
    if (event.type === "step" && event.step + 1 >= stopAfter) controller.abort();
  };
  const summary = await runReward(config, { onEvent, signal: controller.signal });
  return { summary, events };
}

const prompt = [{ role: "user" as const, content: "Say drum" }];
const sha256 = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

describe.each([
  ["an adapter", { rank: 4, alpha: 8, targets: null }, "adapter_model.safetensors"],
  ["every weight", null, "model.safetensors"],
] as const)("training %s", (_, lora, weightsFile) => {
  const kind = lora === null ? "full" : "lora";
  const more = {
    lora: lora && { ...lora },
    lr: lora === null ? 1e-3 : 1e-2,
    epochs: 3,
    headLrFactor: 3,
    saveEverySteps: 6,
  };
  let checkpoint = "";

  test("orders held-out pairs as people did, and the checkpoint is whole and opens", async () => {
    const { summary, events } = await run(configFor(kind, more));
    expect(summary).toMatchObject({
      stage: "reward",
      finished: true,
      leftOut: 0,
      tiedPrompts: 0,
      cutResponses: 0,
    });
    // Six pairs of the first ranking of each; five and a tie of the second.
    const second = Math.ceil(nouns.length / 3);
    expect(summary).toMatchObject({ pairs: 6 * nouns.length + 5 * second, ties: second });
    expect(summary.pairAccuracy).toBeGreaterThan(0.9);
    expect(summary.validationLoss).toBeLessThan(0.35);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "note", level: "warn", text: expect.stringContaining("3 epochs") }),
    );
    checkpoint = summary.checkpoint;
    await verifyCheckpoint(checkpoint);
    using opened = await openCheckpoint(checkpoint);
    using base = await openCheckpoint(tiny);
    expect(opened.manifest).toMatchObject({
      stage: "reward",
      parent: base.id,
      scoreBias: expect.any(Number),
    });
    expect(opened.manifest.lineageBase).toBe(lora === null ? undefined : base.id);
    expect(JSON.parse(await readFile(path.join(checkpoint, "config.json"), "utf8"))).toMatchObject({
      architectures: ["LlamaForSequenceClassification"],
      id2label: { 0: "LABEL_0" },
    });
  });

  test("the checkpoint carries its report on what was held out, without a word of it", async () => {
    const report = await readRewardReport(checkpoint);
    const heldOut = Math.round(nouns.length * 0.2);
    expect(report).toMatchObject({
      prompts: heldOut,
      isHeldOut: true,
      leaks: { prompts: 0, checked: heldOut },
      heldOutGroup: null,
    });
    expect(report?.main.accuracy.share).toBeGreaterThan(0.9);
    expect(report?.probes?.prompts).toBe(Math.min(20, heldOut));
    expect(JSON.stringify(report)).not.toContain("Say ");
    // Its scores are those of the checkpoint, bias included.
    const [worst] = report?.disagreements ?? [];
    const [all] = report?.distributions.groups ?? [];
    expect(all?.summary?.mean).toBeCloseTo(0, 5);
    if (!worst?.place) return;
    const record = JSON.parse((await readFile(data, "utf8")).split("\n")[worst.place.line - 1] ?? "");
    await using scorer = await Scorer.open(checkpoint, { threads: 2 });
    const texts = [worst.chosen, worst.rejected].map((place) => record.responses[place].text);
    const [chosen, rejected] = await scorer.score([{ role: "user", content: record.prompt }], texts);
    expect(chosen?.score).toBeCloseTo(worst.chosenScore, 3);
    expect(rejected?.score).toBeCloseTo(worst.rejectedScore, 3);
  });

  test("stopped in the middle and started again, it ends with the same bits", async () => {
    const stopped = configFor(`${kind}-stopped`, more);
    expect((await run(stopped, 4)).summary).toMatchObject({ finished: false, steps: 4 });
    const { summary, events } = await run(stopped);
    expect(events).toContainEqual({ type: "resumed", step: 4 });
    for (const file of [weightsFile, "attune.json", "state/optimizer.safetensors"]) {
      const [ours, whole] = [summary.checkpoint, checkpoint].map((each) => sha256(path.join(each, file)));
      expect(await ours, file).toBe(await whole);
    }
  });

  test("a trainer and a scorer of its weights agree within 1e-3, in any company", async () => {
    await using scorer = await Scorer.open(checkpoint, { threads: 2 });
    const texts = ["drum", "DRUM", "the drum and the cat", "", "lamp"];
    const together = await scorer.score(prompt, texts);
    const alone = await Promise.all(texts.map(async (text) => (await scorer.score(prompt, [text]))[0]));
    for (const [i, { score }] of together.entries())
      expect(score).toBeCloseTo(alone[i]?.score ?? Number.NaN, 4);

    using opened = await openCheckpoint(checkpoint);
    const { lora: shape, weights } = readRewardWeights(opened);
    const values = new Map(
      [...weights].map(([name, each]) => [name, { values: each, shape: [each.length] }]),
    );
    const isTrained = (name: string) => shape === null || name.startsWith("base_model.");
    await using trainer = new RewardTrainer({
      config: opened.config,
      lora: shape,
      trained: new Map([...values].filter(([name]) => isTrained(name))),
      frozen: new Map([...weights].filter(([name]) => !isTrained(name))),
      adamW: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 },
      headLrFactor: 1,
      tokensPerBatch: 64,
      threads: 1,
    });
    const group = renderGroup(opened, prompt, texts, 512);
    for await (const { scores } of trainer.forward([{ ...group, pairs: [], ties: 0, comparisons: 0 }]))
      for (const [i, score] of scores.entries())
        expect(Math.abs(score + scorer.scoreBias - (together[i]?.score ?? Number.NaN))).toBeLessThan(1e-3);
  });

  test("held-out responses score 0 on average, and each token has a value that ends in the score", async () => {
    await using scorer = await Scorer.open(checkpoint, { threads: 1 });
    const [valued] = await scorer.score(prompt, ["the drum"], { tokenValues: true });
    expect(valued?.tokenValues).toHaveLength(valued?.tokens ?? 0);
    expect(valued?.tokenValues?.at(-1)).toBeCloseTo(valued?.score ?? Number.NaN, 5);
    expect(valued?.tokenTexts?.join("")).toContain("the drum");
  });
});

describe.each([
  ["an adapter", { rank: 4, alpha: 8, targets: null }, "adapter_model.safetensors"],
  ["every weight", null, "model.safetensors"],
] as const)("an ensemble over %s", (_, lora, weightsFile) => {
  const kind = lora === null ? "full" : "lora";
  const more = {
    ensemble: 4,
    lora: lora && { ...lora },
    lr: lora === null ? 1e-3 : 1e-2,
    headLrFactor: 3,
    saveEverySteps: 6,
  };
  const texts = ["drum", "DRUM", "the drum and the cat", "", "lamp"];
  let checkpoint = "";

  test("gives each score with the deviation over its members, of which the score is the mean", async () => {
    const { summary } = await run(configFor(`ensemble-${kind}`, more));
    expect(summary.pairAccuracy).toBeGreaterThan(0.85);
    checkpoint = summary.checkpoint;
    await verifyCheckpoint(checkpoint);
    await using scorer = await Scorer.open(checkpoint, { threads: 1 });
    expect(scorer.members).toBe(4);
    const scores = await scorer.score(prompt, texts);
    for (const { score, deviation, memberScores } of scores) {
      expect(memberScores).toHaveLength(4);
      const mean = (memberScores ?? []).reduce((sum, each) => sum + each, 0) / 4;
      // The head of mean weights, in single precision.
      expect(Math.abs(mean - score)).toBeLessThan(1e-4);
      const squares = (memberScores ?? []).reduce((sum, each) => sum + (each - mean) ** 2, 0);
      expect(deviation).toBeCloseTo(Math.sqrt(squares / 3), 6);
      expect(deviation).toBeGreaterThan(1e-3);
    }
  });

  test("stores the mean where other tools read the head, and the members in a file of the manifest", async () => {
    using opened = await openCheckpoint(checkpoint);
    expect(opened.manifest.ensemble).toBe(4);
    expect(opened.manifest.files["ensemble.safetensors"]?.sizeBytes).toBeGreaterThan(0);
    const ensemble = readEnsemble(opened);
    const { hiddenSize } = opened.config;
    using stored = openSafetensors([path.join(checkpoint, weightsFile)]);
    const head = lora === null ? "score.weight" : "base_model.model.score.weight";
    expect(stored.info(head).shape).toEqual([1, hiddenSize]);
    for (const [j, weight] of stored.read(head).entries()) {
      const own = [0, 1, 2, 3].map((member) => ensemble?.heads[member * hiddenSize + j] ?? Number.NaN);
      expect(weight).toBeCloseTo(own.reduce((sum, each) => sum + each, 0) / 4, 6);
    }
    const biases = [...(ensemble?.biases ?? [])];
    expect(biases.reduce((sum, each) => sum + each, 0) / 4).toBeCloseTo(opened.manifest.scoreBias ?? 0, 5);
  });

  test("its report says how accuracy goes with the doubt of its members", async () => {
    const report = await readRewardReport(checkpoint);
    const { uncertainty, pairs = 0 } = report?.main ?? {};
    expect(uncertainty?.members).toBe(4);
    for (const thirds of [uncertainty?.byDoubt ?? [], uncertainty?.byMargin ?? []]) {
      expect(thirds).toHaveLength(3);
      expect(thirds.reduce((sum, { accuracy }) => sum + accuracy.pairs, 0)).toBe(pairs);
    }
  });

  test("stopped in the middle and started again, it ends with the same bits", async () => {
    const stopped = configFor(`ensemble-${kind}-stopped`, more);
    await run(stopped, 4);
    const { summary, events } = await run(stopped);
    expect(events).toContainEqual({ type: "resumed", step: 4 });
    for (const file of [weightsFile, "ensemble.safetensors", "attune.json", "state/optimizer.safetensors"])
      expect(await sha256(path.join(summary.checkpoint, file)), file).toBe(
        await sha256(path.join(checkpoint, file)),
      );
  });

  test("merged, it scores with the same members", async () => {
    const merged = path.join(folder, `ensemble-${kind}-merged`);
    await mergeCheckpoint(checkpoint, merged);
    await using ours = await Scorer.open(checkpoint, { threads: 1 });
    await using theirs = await Scorer.open(merged, { threads: 1 });
    const [a, b] = [await ours.score(prompt, texts), await theirs.score(prompt, texts)];
    for (const [i, { deviation }] of a.entries())
      expect(deviation).toBeCloseTo(b[i]?.deviation ?? Number.NaN, 4);
  });

  test("a file of other heads than the manifest says is refused", async () => {
    using opened = await openCheckpoint(checkpoint);
    expect(() => readEnsemble({ ...opened, manifest: { ...opened.manifest, ensemble: 3 } })).toThrow(
      /ensemble\.safetensors.*score\.weight has \d+ numbers where 3 heads have \d+/,
    );
  });
});

test("one head has no deviation, and none of its files is new", async () => {
  const { summary } = await run(configFor("one-head", { epochs: 1, ensemble: 1 }));
  using opened = await openCheckpoint(summary.checkpoint);
  expect(opened.manifest).not.toHaveProperty("ensemble");
  expect(Object.keys(opened.manifest.files)).not.toContain("ensemble.safetensors");
  expect((await readRewardReport(summary.checkpoint))?.main).not.toHaveProperty("uncertainty");
  await using scorer = await Scorer.open(summary.checkpoint, { threads: 1 });
  expect(await scorer.score(prompt, ["drum"])).toMatchObject([{ deviation: null, memberScores: null }]);
});

test("members that start at random differ from the first step on", async () => {
  const config = configFor("ensemble-random", { epochs: 1, ensemble: 2, headStart: "random" });
  const { summary } = await run(config, 1);
  await using scorer = await Scorer.open(summary.checkpoint, { threads: 1 });
  const [scored] = await scorer.score(prompt, ["drum"]);
  expect(scored?.deviation).toBeGreaterThan(1e-3);
});

test("a reward model may keep the first layers only: it scores as it was trained, merged or not", async () => {
  const { summary } = await run(configFor("short", { layers: 2, epochs: 1 }));
  expect(summary.pairAccuracy).toBeGreaterThan(0.5);
  const json: unknown = JSON.parse(await readFile(path.join(summary.checkpoint, "config.json"), "utf8"));
  expect(json).toMatchObject({ num_hidden_layers: 2 });
  using opened = await openCheckpoint(summary.checkpoint);
  const names = [...readRewardWeights(opened).weights.keys()].filter((name) => name.includes("layers."));
  expect(new Set(names.map((name) => name.match(/layers\.(\d+)/)?.[1]))).toEqual(new Set(["0", "1"]));

  const merged = path.join(folder, "short-merged");
  await mergeCheckpoint(summary.checkpoint, merged);
  await using ours = await Scorer.open(summary.checkpoint, { threads: 1 });
  await using theirs = await Scorer.open(merged, { threads: 1 });
  const [a, b] = [await ours.score(prompt, ["drum", "DRUM"]), await theirs.score(prompt, ["drum", "DRUM"])];
  for (const [i, { score }] of a.entries()) expect(score).toBeCloseTo(b[i]?.score ?? Number.NaN, 4);
  expect(a[0]?.score).not.toBeCloseTo(a[1]?.score ?? Number.NaN, 2);

  await expect(run(configFor("too-long", { layers: 5 }))).rejects.toThrow("layers: 5 are more than the 4 of");
});

test("a solved head knows from the start what a random one has to learn", async () => {
  const before = async (headStart: string) => {
    const outcome = await run(configFor(`head-${headStart}`, { headStart, epochs: 1 }), 1);
    return { ...outcome.summary, events: outcome.events };
  };
  const [solved, random] = [await before("solved"), await before("random")];
  expect(solved.pairAccuracyBefore).toBeGreaterThan(Math.max(0.75, random.pairAccuracyBefore ?? 1));
  expect(solved.validationLossBefore).toBeLessThan(0.6);
  expect(random.validationLossBefore).toBeGreaterThan(0.6);
  const notes = (events: readonly RewardEvent[]) =>
    events.flatMap((event) => (event.type === "note" ? event.text : []));
  expect(notes(solved.events).join("\n")).toMatch(/Solved in \d+ s, with a penalty of \S+\. It orders/);
  expect(notes(random.events).join("\n")).not.toMatch(/[Ss]olved/);
});

test("a policy is no reward model; one with another tokenizer is refused, and the policy it was trained from is not", async () => {
  await expect(Scorer.open(tiny, { threads: 1 })).rejects.toThrow(
    /is no reward model .* Give a checkpoint that attune reward trained/,
  );
  const { summary } = await run(configFor("tokenizer", { epochs: 1 }));
  using policy = await openCheckpoint(tiny);
  await using _ = await Scorer.open(summary.checkpoint, { threads: 1, policy });
  const { files } = policy.manifest;
  const other = { ...files["tokenizer.json"], sha256: "0".repeat(64), sizeBytes: 1 };
  const changed = {
    manifest: { ...policy.manifest, name: "Other", files: { ...files, "tokenizer.json": other } },
  };
  await expect(Scorer.open(summary.checkpoint, { threads: 1, policy: changed })).rejects.toThrow(
    "has another tokenizer than Other (their tokenizer.json differ). Train one from a checkpoint of the lineage of Other",
  );
});

test("demonstrations, where they are given, score 0 on average", async () => {
  const file = path.join(folder, "demonstrations.jsonl");
  const demonstrations = nouns.slice(0, 6).map((noun) => ({ prompt: `Say ${noun}`, response: noun }));
  await writeFile(file, demonstrations.map((each) => JSON.stringify(each)).join("\n"));
  const { summary } = await run(configFor("demonstrated", { demonstrations: [file], epochs: 1 }));
  await using scorer = await Scorer.open(summary.checkpoint, { threads: 1 });
  let sum = 0;
  for (const { prompt: content, response } of demonstrations)
    sum += (await scorer.score([{ role: "user", content }], [response]))[0]?.score ?? Number.NaN;
  expect(Math.abs(sum / demonstrations.length)).toBeLessThan(1e-3);
});

test("an adapter merged into its base is a complete reward model with the same scores", async () => {
  const { summary } = await run(configFor("lora-merged", { epochs: 1 }));
  const merged = path.join(folder, "merged");
  const manifest = await mergeCheckpoint(summary.checkpoint, merged);
  await using ours = await Scorer.open(summary.checkpoint, { threads: 1 });
  await using theirs = await Scorer.open(merged, { threads: 1 });
  expect(manifest.scoreBias).toBe(ours.scoreBias);
  const [a, b] = [await ours.score(prompt, ["drum", "DRUM"]), await theirs.score(prompt, ["drum", "DRUM"])];
  for (const [i, { score }] of a.entries()) expect(score).toBeCloseTo(b[i]?.score ?? Number.NaN, 4);
});

test("a response that begins with white space leaves the prompt's tokens as chat has them", async () => {
  using checkpoint = await openCheckpoint(defaultModelFolder());
  const { tokenizer, chatTemplate } = checkpoint;
  const messages = [{ role: "user" as const, content: "Tell a story." }];
  const chat = renderConversation(tokenizer, chatTemplate, messages, { contextLength: 512 });
  const texts = [" 1. A dog", "\n\nA dog <|im_end|>", " A dog"];
  const group = renderGroup(checkpoint, messages, texts, 512);
  // Its line break and the blank of the first response would be one token, if they were encoded together.
  expect(tokenizer.encode(`assistant\n${texts[0]}`).slice(0, 3)).not.toEqual(chat.tokens.slice(-3));
  expect(group.prompt).toEqual(chat.tokens);
  for (const [i, text] of texts.entries()) {
    const tokens = group.responses[i] ?? [];
    expect(tokenizer.decode(tokens, { special: true })).toBe(`${text}<|im_end|>`);
    expect(tokens.filter((token) => tokenizer.endTokenIds.includes(token))).toHaveLength(1);
  }
});

test("a prompt is rendered token by token as chat renders it, and a response ends with its end token", async () => {
  using checkpoint = await openCheckpoint(tiny);
  const { tokenizer, chatTemplate, config } = checkpoint;
  const messages = [
    { role: "system" as const, content: "Be brief." },
    { role: "user" as const, content: "Say cat <|im_end|>" },
    { role: "assistant" as const, content: "cat" },
    { role: "user" as const, content: "And a dog?" },
  ];
  const chat = renderConversation(tokenizer, chatTemplate, messages, {
    contextLength: config.contextLength,
    reserveTokens: 16,
  });
  const group = renderGroup(checkpoint, messages, ["dog", ""], config.contextLength);
  expect(group.prompt).toEqual(chat.tokens);
  for (const response of group.responses) expect(tokenizer.endTokenIds).toContain(response.at(-1));
  const finished = renderConversation(
    tokenizer,
    chatTemplate,
    [...messages, { role: "assistant", content: "dog" }],
    {
      contextLength: config.contextLength,
      finished: true,
    },
  );
  expect([...group.prompt, ...(group.responses[0] ?? [])]).toEqual(
    finished.tokens.slice(0, group.prompt.length + (group.responses[0]?.length ?? 0)),
  );
});
