/** @file Whole runs of PPO on the shipped tiny model: they learn, repeat themselves to the bit, and go on from wherever they were stopped. */

import { cp, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openCheckpoint, verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { rewardReportFile, rewardReportSchema } from "@/model/eval/reward/report";
import { openAdapter } from "@/model/runtime/adapter";
import { loadModel } from "@/model/runtime/generator";
import { chooseLora } from "@/model/train/choose-lora";
import { EndpointError } from "@/model/train/ppo/endpoint";
import { GuardRailError } from "@/model/train/ppo/guard-rails";
import { Rollouts } from "@/model/train/ppo/rollouts";
import { runPpoSeeds } from "@/model/train/ppo-seeds";
import { ConfigError } from "@/model/train/run-config";
import { loadWeights } from "@/model/train/train-language-model";
import { freePort } from "@/tests/helpers/free-port";
import {
  filesOf,
  lastCheckpointOf,
  ppoConfig,
  runTinyPpo,
  storyPrompts,
  tinyRewardModel,
} from "@/tests/helpers/ppo-run";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";
import { tinyModelFolder } from "@/tests/helpers/tiny-model";

/** Of runs, which a busy machine takes its time for. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let temporary: Awaited<ReturnType<typeof temporaryFolder>>;
let texts = "";
let places = { folder: "", rewardModel: "", prompts: "" };

beforeAll(async () => {
  temporary = await temporaryFolder();
  const folder = temporary.path;
  places = { folder, rewardModel: await tinyRewardModel(folder), prompts: await storyPrompts(folder) };
  texts = path.join(folder, "text.txt");
  await writeFile(texts, "Once there was a cat. The cat was black and lived in a house.\n".repeat(8));
});
afterAll(() => temporary[Symbol.asyncDispose]());

const configFor = (name: string, more: Record<string, unknown> = {}) => ppoConfig(places, name, more);
const outputOf = (name: string) => path.join(places.folder, name);

describe.each<[string, () => Record<string, unknown>, string[]]>([
  [
    "an adapter and its running mean, with beta steered, scores scaled, two responses to a prompt and text beside it",
    () => ({
      ema: 0.9,
      adaptiveKl: { target: 0.5, horizon: 100 },
      scoreScale: true,
      responsesPerPrompt: 2,
      ptx: { data: [texts], rowLength: 16, perEpisode: 0.5 },
    }),
    ["adapter_model.safetensors"],
  ],
  [
    "every weight, and a running mean",
    () => ({ lora: null, lr: 3e-4, ema: 0.5, iterations: 2, criticWarmup: 0, validationShare: 0 }),
    ["model.safetensors"],
  ],
])("%s", (name, more, weights) => {
  const own = name.replaceAll(/\W+/g, "-");

  test("stopped in the middle it goes on to the same bits, and what the policy samples is what the trainer reads", async () => {
    const whole = await runTinyPpo(configFor(own, more()));
    const at = whole.summary.totalSteps - 1;
    expect(whole.summary).toMatchObject({ stage: "ppo", finished: true });
    const stopped = await runTinyPpo(configFor(`${own}-stopped`, more()), { stopAfter: at });
    expect(stopped.summary).toMatchObject({ steps: at, finished: false });
    const resumed = await runTinyPpo(configFor(`${own}-stopped`, more()));
    expect(resumed.events).toContainEqual({ type: "resumed", step: at });
    expect(resumed.iterations).toEqual(whole.iterations.slice(at));
    const expected = await lastCheckpointOf(outputOf(own));
    expect(await lastCheckpointOf(outputOf(`${own}-stopped`))).toEqual(expected);
    const files = ["state/optimizer.safetensors", "state/hidden.safetensors", "state/state.json", ...weights];
    expect(Object.keys(expected)).toEqual(expect.arrayContaining(files));
    // After updates too: rollouts are the current weights'.
    expect(whole.iterations.at(-1)?.klK3).toBeGreaterThan(1e-4);
    for (const { samplerGapMax, firstRatioGap } of whole.iterations) {
      expect(samplerGapMax).toBeLessThan(1e-4);
      expect(firstRatioGap).toBeLessThan(1e-3);
    }
    await verifyCheckpoint(whole.summary.checkpoint);
    const told = whole.events.flatMap((event) => (event.type === "bestOfN" ? event.points : []));
    const { heldOutScoreBefore } = whole.summary;
    if (heldOutScoreBefore === undefined) return expect(told).toEqual([]);
    expect(told.map(({ n }) => n)).toEqual([1, 2, 4, 8]);
    expect(told[0]).toMatchObject({ kl: 0, score: expect.closeTo(heldOutScoreBefore, 9) });
    // The more tries, the better the best of them.
    for (const [i, { score }] of told.slice(1).entries())
      expect(score).toBeGreaterThan(told[i]?.score ?? NaN);
    expect(resumed.events.some(({ type }) => type === "bestOfN")).toBe(false);
  });
});

/** Two iterations of an adapter: what others are compared with. */
const short = { iterations: 2, validationShare: 0 };
let unbroken: ReturnType<typeof runTinyPpo>;
beforeAll(async () => {
  unbroken = runTinyPpo(configFor("unbroken", short));
  await unbroken;
});

test("another seed is another run; the reward model's files stay as they were", async () => {
  const before = await filesOf(places.rewardModel);
  const other = await runTinyPpo(configFor("seed-2", { ...short, iterations: 1, seed: 2 }));
  expect(other.iterations[0]?.score).not.toBe((await unbroken).iterations[0]?.score);
  expect(await filesOf(places.rewardModel)).toEqual(before);
});

test("aborted while it samples it is saved as it was before, and goes on to the same bits", async () => {
  const controller = new AbortController();
  const sample = Rollouts.prototype.sample;
  let calls = 0;
  const spy = vi.spyOn(Rollouts.prototype, "sample").mockImplementation(function (this: Rollouts, ...args) {
    if (++calls === 2) setTimeout(() => controller.abort(), 5);
    return sample.apply(this, args);
  });
  const aborted = await runTinyPpo(configFor("aborted", short), { controller });
  await expect(spy.mock.results[1]?.value).rejects.toThrow(/abort/i);
  spy.mockRestore();
  expect(aborted.summary).toMatchObject({ steps: 1, finished: false });
  await runTinyPpo(configFor("aborted", short));
  expect(await lastCheckpointOf(outputOf("aborted"))).toEqual(await lastCheckpointOf(outputOf("unbroken")));
});

test("a checkpoint's adapter says of its responses what the live one said", async () => {
  const { summary } = await unbroken;
  using checkpoint = await openCheckpoint(summary.checkpoint);
  const prompts = ["Tell me about a dog.", "Say cat"].map((text) => checkpoint.tokenizer.encode(text));
  const common = { threads: 1, slots: 2, scratchFolder: places.folder };
  const settings = { seed: 3, maxTokens: 6 };
  const draws = prompts.map((_, i) => ({ step: 0, sample: i }));
  // One reads the arrays that are trained, the other what a checkpoint of them holds.
  using base = await openCheckpoint(tinyModelFolder);
  const lora = chooseLora({ rank: null, alpha: null, targets: null }, checkpoint);
  const { trained } = await loadWeights(checkpoint, { lora, seed: 1 }, { resumeFrom: null });
  await using live = new Rollouts({ checkpoint: base, lora, trained, ...common });
  const responses = await live.sample(prompts, draws, settings);
  const options = {
    precision: "fp32",
    threads: 1,
    slots: 2,
    cacheFolder: path.join(places.folder, "served"),
  } as const;
  await using served = await loadModel(
    { ...base, adapter: null },
    await openAdapter(summary.checkpoint),
    options,
  );
  await using bare = await loadModel({ ...base, adapter: null }, null, {
    ...options,
    cacheFolder: `${options.cacheFolder}-base`,
  });
  let moved = 0;
  for (const [i, { tokens, samplerLogprobs }] of responses.entries()) {
    const ids = [...(prompts[i] ?? []), ...tokens];
    const [rows, ofBase] = [await served.score(i, ids), await bare.score(i, ids)];
    for (const [t, token] of tokens.entries()) {
      const at = (prompts[i]?.length ?? 0) + t - 1;
      const logprob = logprobIn(rows[at], token);
      expect(Math.abs(logprob - (samplerLogprobs[t] ?? NaN))).toBeLessThan(1e-4);
      moved = Math.max(moved, Math.abs(logprob - logprobIn(ofBase[at], token)));
    }
  }
  expect(moved).toBeGreaterThan(1e-3);
});

function logprobIn(logits: Float32Array | undefined, token: number): number {
  const all = [...(logits ?? [])];
  const most = Math.max(...all);
  return (all[token] ?? NaN) - most - Math.log(all.reduce((sum, x) => sum + Math.exp(x - most), 0));
}

test("a reward model that failed its probes is refused by name, unless that is accepted", async () => {
  const failed = path.join(places.folder, "failed");
  await cp(places.rewardModel, failed, { recursive: true });
  const file = path.join(failed, rewardReportFile);
  const report = rewardReportSchema.parse(JSON.parse(await readFile(file, "utf8")));
  const kinds = report.probes?.kinds.map((probe, i) => ({ ...probe, passes: i > 0 })) ?? [];
  await writeFile(file, JSON.stringify({ ...report, probes: { ...report.probes, passes: false, kinds } }));
  const config = { ...configFor("refused"), rewardModels: [failed], acceptFailedProbes: false };
  const refused = runTinyPpo(config);
  await expect(refused).rejects.toThrow(ConfigError);
  await expect(refused).rejects.toThrow(
    `failed 1 of its probes (${kinds[0]?.kind}): it prefers such responses`,
  );
  await expect(refused).rejects.toThrow("set acceptFailedProbes to true");
});

type Answer = (items: { response: string }[], answer: (status: number) => void) => void;

/** Scores by length; `meet` may answer otherwise, or not at all. */
async function scoreServer(port: number, meet: Answer = (_, answer) => answer(200)) {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      const { items } = JSON.parse(body) as { items: { response: string }[] };
      const scores = items.map(({ response: text }) => text.length / 10);
      meet(items, (status) => response.writeHead(status).end(JSON.stringify({ scores })));
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    return closed;
  };
  return { stop, [Symbol.asyncDispose]: stop };
}

const partAt = (port: number, retries: number) => ({
  parts: [{ type: "endpoint", name: "outside", weight: 1, url: `http://127.0.0.1:${port}/`, retries }],
});

test("an endpoint that is down pauses the run, nothing counts as 0, and the same command goes on to the same bits", async () => {
  const port = await freePort();
  const more = { ...short, ...partAt(port, 0) };
  const first = await scoreServer(port);
  const whole = await runTinyPpo(configFor("asked", more));
  expect(whole.iterations[0]?.["part.outside"]).toBeGreaterThan(0);
  let stopped: Promise<unknown> = Promise.resolve();
  const watch = ({ type }: { type: string }) => {
    if (type === "iteration") stopped = first.stop();
  };
  const paused = runTinyPpo(configFor("paused", more), { watch });
  await expect(paused).rejects.toThrow(EndpointError);
  await expect(paused).rejects.toThrow(/outside gave no scores in 1 attempts: it could not be reached/);
  await expect(paused).rejects.toThrow("paused before iteration 2, and nothing was scored as 0");
  await stopped;
  await using _again = await scoreServer(port);
  const resumed = await runTinyPpo(configFor("paused", more));
  expect(resumed.events).toContainEqual({ type: "resumed", step: 1 });
  expect(await lastCheckpointOf(outputOf("paused"))).toEqual(await lastCheckpointOf(outputOf("asked")));
});

test("paused or stopped in an evaluation, the run keeps the iteration before it and makes up for the evaluation, to the same bits", async () => {
  const port = await freePort();
  // Evaluations ask for three responses, iterations for eight.
  const isEvaluation = (items: readonly object[]) => items.length === 3;
  const more = partAt(port, 9);
  let evaluations = 0;
  let meet: Answer = (_, answer) => answer(200);
  await using _server = await scoreServer(port, (items, answer) => meet(items, answer));
  const whole = await runTinyPpo(configFor("evaluated", more));
  const expected = await lastCheckpointOf(outputOf("evaluated"));
  const kept = async (name: string) =>
    JSON.parse(await readFile(path.join(outputOf(name), "checkpoints/step-000002/state/state.json"), "utf8"));

  // The second one fails; waiting for the next try is ended at once.
  const controller = new AbortController();
  meet = (items, answer) => {
    const fails = isEvaluation(items) && ++evaluations >= 2;
    if (fails) setTimeout(() => controller.abort(), 20);
    answer(fails ? 503 : 200);
  };
  const stopped = await runTinyPpo(configFor("evaluated-stopped", more), { controller });
  expect(stopped.summary).toMatchObject({ steps: 2, finished: false });
  expect(evaluations).toBe(2);
  expect(await kept("evaluated-stopped")).toMatchObject({ step: 2, evaluationDue: true });

  const impatient = partAt(port, 0);
  evaluations = 0;
  meet = (items, answer) => answer(isEvaluation(items) && ++evaluations === 2 ? 503 : 200);
  const paused = runTinyPpo(configFor("evaluated-paused", impatient));
  await expect(paused).rejects.toThrow(EndpointError);
  await expect(paused).rejects.toThrow("paused in the evaluation after iteration 2, and nothing");
  expect(await kept("evaluated-paused")).toMatchObject({ step: 2, evaluationDue: true });

  meet = (_, answer) => answer(200);
  const resumed = await runTinyPpo(configFor("evaluated-stopped", more));
  expect(resumed.events[1]).toEqual({ type: "resumed", step: 2 });
  const measured = ({ events }: typeof whole) =>
    events.flatMap((event) => (event.type === "evaluated" && event.step === 2 ? [event] : []));
  expect(measured(resumed)).toEqual(measured(whole));
  expect(await lastCheckpointOf(outputOf("evaluated-stopped"))).toEqual(expected);
  const { "state/state.json": _state, ...files } = expected;
  await runTinyPpo(configFor("evaluated-paused", impatient));
  // Another number of retries is another configuration, and the same run in all else.
  expect(await lastCheckpointOf(outputOf("evaluated-paused"))).toMatchObject(files);
});

test("several seeds are runs of their own, told together by median and range, and go on where they were stopped", async () => {
  const more = { iterations: 1, seeds: 2 };
  const config = configFor("seeds", more);
  const controller = new AbortController();
  const notes: string[] = [];
  const followed: string[] = [];
  const onEvent: Parameters<typeof runPpoSeeds>[1]["onEvent"] = (event) => {
    if (event.type === "note") notes.push(event.text);
    // The same prompts are held out of each.
    if (event.type === "sample") followed.push(event.prompt);
    if (event.type === "saved" && event.folder.includes("seed-2")) controller.abort();
  };
  const stopped = await runPpoSeeds(config, { onEvent, signal: controller.signal });
  expect(stopped.finished).toBe(false);
  expect(stopped.seeds.map(({ summary }) => summary?.finished)).toEqual([true, false]);
  expect(notes).toEqual([
    expect.stringMatching(/^Seed 1 \(1 of 2\) in .*seed-1$/),
    expect.stringMatching(/^Seed 2/),
  ]);
  const whole = await runPpoSeeds(config, { onEvent: () => {} });
  expect(whole).toMatchObject({ stage: "ppo", finished: true, seeds: [{ seed: 1 }, { seed: 2 }] });
  const scores = whole.seeds.map(({ summary }) => summary?.heldOutScore ?? NaN);
  expect(new Set(followed).size).toBe(3);
  expect(whole.spread.heldOutScore).toEqual({
    median: expect.closeTo(((scores[0] ?? 0) + (scores[1] ?? 0)) / 2, 9),
    least: Math.min(...scores),
    greatest: Math.max(...scores),
  });
  expect(whole.spread.heldOutWin?.least).toBeGreaterThanOrEqual(0);
  const alone = await runTinyPpo(configFor("alone", { iterations: 1, seed: 2, splitSeed: 1 }));
  expect(alone.summary.heldOutScore).toBe(scores[1]);
  const ofSeed = await lastCheckpointOf(path.join(outputOf("seeds"), "seed-2"));
  expect(ofSeed).toEqual(await lastCheckpointOf(outputOf("alone")));
});

test("a guard rail pauses the seed that it stops, and the others run", async () => {
  const guards = { klBudget: 1e-9 };
  const config = configFor("guarded", {
    iterations: 2,
    criticWarmup: 0,
    validationShare: 0,
    seeds: 2,
    guards,
  });
  const { seeds, finished } = await runPpoSeeds(config, { onEvent: () => {} });
  expect(finished).toBe(false);
  expect(seeds).toHaveLength(2);
  for (const { paused, summary } of seeds) {
    expect(paused).toMatch(/nats from the reference/);
    expect(summary).toBeNull();
  }
});

test("the share of stories that begin as the rules want rises from a quarter to most, at a few nats; a guard rail pauses it, and going on accepts that", async () => {
  const more = {
    rewardWeight: 0,
    parts: [{ type: "rules", name: "rules", weight: 1 }],
    unfinishedScore: null,
    iterations: 7,
    episodesPerIteration: 48,
    responseTokens: 3,
    innerEpochs: 2,
    lambda: 1,
    valueLr: 2e-2,
    validationShare: 0,
    // So near that it is met on the way.
    guards: { klBudget: 0.3, entropyFloor: null },
  };
  const scores: number[] = [];
  const pauses: string[] = [];
  let kl = 0;
  const watch = (event: { type: string; metrics?: Record<string, number> }) => {
    if (event.type !== "iteration") return;
    scores.push(event.metrics?.score ?? NaN);
    kl = event.metrics?.klK3 ?? NaN;
  };
  // A person who goes on each time.
  for (let isOver = false; !isOver; )
    isOver = await runTinyPpo(configFor("learns", more), { watch }).then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof GuardRailError)) throw error;
        pauses.push(error.rule);
        return false;
      },
    );
  expect(scores).toHaveLength(7);
  expect(scores[0]).toBeLessThan(0.4);
  expect(scores.at(-1)).toBeGreaterThan(0.7);
  expect(kl).toBeLessThan(4);
  expect(new Set(pauses)).toEqual(new Set(["klBudget"]));
});
