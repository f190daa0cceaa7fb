/**
 * @file One gradient of a reward model over the prompts of real K-way rankings: the prompt computed once for all of its
 * responses, against each response with its prompt, both without padding in the linear layers; and against PyTorch, which pads.
 */
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { z } from "zod";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { rewardTensors } from "@/model/checkpoint/expected-tensors";
import { type RankedExample, weighPairs } from "@/model/data/ranked-examples";
import { readRankedData } from "@/model/data/read-ranked-data";
import { renderGroup } from "@/model/data/render-group";
import { cutIntoBatches, layOutGroups, tokensOf } from "@/model/data/response-groups";
import { blockCount } from "@/model/nn/grouped-transformer";
import { rewardFeeds, scoreHeadName } from "@/model/nn/reward-model";
import { normalTensor } from "@/model/random/normal";
import { GraphSession } from "@/model/runtime/graph-session";
import { createLora, everyLayer } from "@/model/train/lora";
import { rewardConfigSchema } from "@/model/train/reward-config";
import { buildRewardGraph } from "@/model/train/reward-graph";
import { pairFeeds } from "@/model/train/reward-trainer";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { tinyModelFolder } from "@/tests/helpers/tiny-model";
import { median } from "./harness/statistics";
import { TorchPeer } from "./harness/torch-peer";

export type RewardStepBench = {
  /** Prompts measured of the rankings. */
  n: number;
  /** Our plain way's seconds over ours, on the rankings. */
  prefixGain: number;
  /** Of (K P + K R) / (P + K R), the ratio of tokens. */
  boundShare: number;
  /** As `prefixGain`, at prompt 512, response 64, K = 9. */
  longPromptGain: number;
  /** PyTorch's seconds over ours, on the rankings. */
  peerRatio: number;
  tokensPerSecond: { ours: number; plain: number; peer: number };
  bound: number;
  model: string;
  data: string;
};

const threads = os.availableParallelism();
const lora = { rank: 16, alpha: 32 };
const { tokensPerBatch } = rewardConfigSchema.parse({ model: "-", data: ["-"], output: "-" });
const alpaca = path.resolve("../shared/data/alpaca_eval_rankings.jsonl.gz");

/** `quick` takes the tiny model and few prompts: it shows that the measurement works, not how fast anything is. */
export default async function run({ quick }: { quick: boolean }): Promise<RewardStepBench> {
  const folder = quick ? tinyModelFolder : defaultModelFolder();
  const [count, rounds] = quick ? [2, 1] : [4, 2];
  const isThere = existsSync(alpaca);
  const examples = isThere ? await readExamples(folder, count) : madeUp(count, { prompt: 48, response: 160 });
  const long = madeUp(1, quick ? { prompt: 64, response: 8 } : { prompt: 512, response: 64 });
  await using ours = await Ours.open(folder);
  const given = JSON.stringify(
    examples.map(({ prompt, responses, pairs }) => ({ prompt, responses, pairs })),
  );
  await using peer = await TorchPeer.open("reward_step.py", [folder, String(threads)], [given]);
  const answer = z.object({ seconds: z.number() });

  const seconds = { ours: [] as number[], plain: [] as number[], peer: [] as number[] };
  const ofLong = { ours: [] as number[], plain: [] as number[] };
  for (let round = 0; round <= rounds; round++) {
    const sum = { ours: 0, plain: 0, peer: 0 };
    for (const [i, example] of examples.entries()) {
      // In turn, so that whatever else the machine does falls on all alike.
      sum.ours += await ours.seconds([example]);
      sum.plain += await ours.seconds(apart(example));
      sum.peer += (await peer.ask(String(i), answer)).seconds;
    }
    const [longOurs, longPlain] = [await ours.seconds(long), await ours.seconds(long.flatMap(apart))];
    // The first is warm-up.
    if (round === 0) continue;
    for (const who of ["ours", "plain", "peer"] as const) seconds[who].push(sum[who]);
    ofLong.ours.push(longOurs);
    ofLong.plain.push(longPlain);
  }
  const middle = (values: readonly number[]) => median(values.map((value) => value * 1000)) / 1000;
  const plainTokens =
    examples.reduce((sum, { prompt, responses }) => sum + responses.length * prompt.length, 0) +
    examples.reduce((sum, { responses }) => sum + responses.reduce((all, { length }) => all + length, 0), 0);
  const sharedTokens = examples.reduce((sum, example) => sum + tokensOf(example), 0);
  const bound = plainTokens / sharedTokens;
  const gain = middle(seconds.plain) / middle(seconds.ours);
  const round = (value: number) => Number(value.toFixed(3));
  return {
    n: examples.length,
    prefixGain: round(gain),
    boundShare: round(gain / bound),
    longPromptGain: round(middle(ofLong.plain) / middle(ofLong.ours)),
    peerRatio: round(middle(seconds.peer) / middle(seconds.ours)),
    tokensPerSecond: {
      ours: Math.round(sharedTokens / middle(seconds.ours)),
      plain: Math.round(plainTokens / middle(seconds.plain)),
      peer: Math.round(plainTokens / middle(seconds.peer)),
    },
    bound: round(bound),
    model: path.basename(folder),
    data: isThere ? path.basename(alpaca) : "made up: prompt 48, response 160, K = 9",
  };
}

/** Each response a group of its own, its prompt a part of it: the plain way, by the same graph. */
function apart({ prompt, responses }: RankedExample): RankedExample[] {
  // A pair with itself: the loss is there, and as cheap.
  const pairs = [{ chosen: 0, rejected: 0, weight: 1 / responses.length }];
  return responses.map((response) => {
    return { prompt: [], responses: [[...prompt, ...response]], pairs, ties: 0, comparisons: 0 };
  });
}

async function readExamples(folder: string, count: number): Promise<RankedExample[]> {
  using checkpoint = await openCheckpoint(folder);
  const { rows } = await readRankedData([alpaca]);
  const ofNine = rows.filter(
    ({ record }) => record.responses.length === 9 && weighPairs(record, "each").pairs.length > 0,
  );
  const step = Math.floor(ofNine.length / count);
  return ofNine
    .filter((_, i) => i % step === 0)
    .slice(0, count)
    .map(({ record }) => {
      const texts = record.responses.map(({ text }) => text);
      const longest = Math.min(1024, checkpoint.config.contextLength);
      return { ...renderGroup(checkpoint, record.prompt, texts, longest), ...weighPairs(record, "each") };
    });
}

function madeUp(count: number, lengths: { prompt: number; response: number }): RankedExample[] {
  return Array.from({ length: count }, (_, row) => {
    const tokens = (length: number, salt: number) =>
      Array.from({ length }, (__, i) => (i * 977 + row * 131 + salt * 17 + 7) % 1400);
    const responses = Array.from({ length: 9 }, (__, i) => tokens(lengths.response, i + 1));
    const pairs = Array.from({ length: 8 }, (__, i) => ({ chosen: i, rejected: i + 1, weight: 1 / 36 }));
    return { prompt: tokens(lengths.prompt, 0), responses, pairs, ties: 0, comparisons: 8 };
  });
}

class Ours implements AsyncDisposable {
  private constructor(
    readonly session: GraphSession,
    readonly weights: Readonly<Record<string, Float32Array>>,
  ) {}

  static async open(folder: string): Promise<Ours> {
    using base = await openCheckpoint(folder);
    const { config, tensors } = base;
    const shape = { ...lora, targets: everyLayer(config) };
    const model = buildRewardGraph(config, { lora: shape, backward: true });
    const names = [...rewardTensors(config).keys()].filter((name) => name !== "score.weight");
    const weights: Record<string, Float32Array> = Object.fromEntries(
      names.map((name) => [name, tensors.read(name)]),
    );
    for (const [name, { values }] of createLora(config, shape, 1)) weights[name] = values;
    weights[scoreHeadName(shape)] = normalTensor(1, 0, config.hiddenSize, 0.04);
    return new Ours(await GraphSession.create(model.graph, { threads }), weights);
  }

  /**
   * Of loss and all gradients. Responses that lie apart are computed in batches as a run has them, or nine with a long prompt
   * would take the memory of a server; their pairs are then those within a batch, which cost nothing either way.
   */
  async seconds(examples: readonly RankedExample[]): Promise<number> {
    const start = performance.now();
    for (const batch of cutIntoBatches(examples, tokensPerBatch))
      await this.session.run({
        ...rewardFeeds(layOutGroups(batch, blockCount)),
        ...pairFeeds(batch, 1),
        ...this.weights,
      });
    return (performance.now() - start) / 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
  }
}
