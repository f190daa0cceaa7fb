/**
 * @file One iteration of PPO, phase by phase, against a plain one of PyTorch and transformers: the same policy, reward model, value
 * function, prompts and sizes, in turn. Ours once with a response to each prompt, as theirs, and once with four to each, which ours
 * computes the prompt of once.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { z } from "zod";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { makeGoldPrompts } from "@/model/data/gold-prompts";
import { scoreHeadName } from "@/model/nn/reward-model";
import { normalTensor } from "@/model/random/normal";
import { createRandom } from "@/model/random/random";
import { renderConversation } from "@/model/tokenizer/render-conversation";
import { createLora, everyLayer } from "@/model/train/lora";
import type { PpoPrompt } from "@/model/train/ppo/episodes";
import { type PpoState, readEpisodes, rollOut, update } from "@/model/train/ppo/iteration";
import type { PhaseSeconds } from "@/model/train/ppo/metrics";
import { openModels } from "@/model/train/ppo/open-models";
import { ppoConfigSchema } from "@/model/train/ppo-config";
import { checkpointFacts } from "@/model/train/save-checkpoint";
import { writeRewardModel } from "@/model/train/save-reward-model";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { tinyModelFolder } from "@/tests/helpers/tiny-model";
import { median } from "./harness/statistics";
import { TorchPeer } from "./harness/torch-peer";

export type PpoIterationBench = {
  n: number;
  /** PyTorch's seconds over ours, in single precision and under bfloat16 autocast. */
  ratio: number;
  ratioBf16: number;
  /** PyTorch's in single precision over ours with four responses to each prompt. */
  sharedRatio: number;
  phases: Record<"ours" | "shared" | "peer" | "peerBf16", PhaseSeconds & { total: number }>;
  /** Of this process, in MiB. */
  peakMb: number;
  episodes: number;
  model: string;
};

const threads = os.availableParallelism();
const peerAnswer = z.object({ seconds: z.record(z.string(), z.number()), tokens: z.number() });

/** `quick` takes the tiny model and few episodes: it shows that the measurement works, not how fast anything is. */
export default async function run({ quick }: { quick: boolean }): Promise<PpoIterationBench> {
  const folder = quick ? tinyModelFolder : defaultModelFolder();
  const [episodes, rounds] = quick ? [8, 1] : [64, 2];
  const scratch = await mkdtemp(path.join(os.tmpdir(), "attune-ppo-iteration-"));
  try {
    using base = await openCheckpoint(folder);
    const shape = { rank: 16, alpha: 32, targets: everyLayer(base.config) };
    const rewardModel = path.join(scratch, "reward");
    const head = {
      values: normalTensor(1, 0, base.config.hiddenSize, 0.04),
      shape: [1, base.config.hiddenSize],
    };
    const trained = new Map([...createLora(base.config, shape, 1), [scoreHeadName(shape), head] as const]);
    const facts = checkpointFacts({
      name: "untrained",
      stage: "reward",
      run: null,
      datasetSha256: "0".repeat(64),
      base,
      lora: shape,
      threads,
    });
    await writeRewardModel(rewardModel, {
      base,
      lora: shape,
      trained,
      facts: { ...facts, scoreBias: 0 },
      memberBiases: null,
      report: null,
      trials: null,
    });
    const config = ppoConfigSchema.parse({
      model: folder,
      rewardModels: [rewardModel],
      data: ["-"],
      output: scratch,
      episodesPerIteration: episodes,
      minibatches: quick ? 2 : 8,
      responseTokens: 48,
      criticWarmup: 0,
    });
    const options = { base, lora: shape, threads, resumeFrom: null, basePlaces: [folder] };
    await using opened = await openModels(config, options);
    const prompts = makeGoldPrompts(createRandom(1), episodes).map(({ prompt }): PpoPrompt => {
      const messages = [{ role: "user" as const, content: prompt }];
      const { contextLength } = base.config;
      const { tokens } = renderConversation(base.tokenizer, base.chatTemplate, messages, { contextLength });
      return { messages, tokens, rules: null, source: { file: "-", line: 1 } };
    });
    const state: PpoState = { beta: 0.02, shift: 0, scores: { count: 0, mean: 0, squares: 0 }, valueBias: 0 };
    const iterate = async (step: number, responsesPerPrompt: number): Promise<PhaseSeconds> => {
      const settings = { ...config, responsesPerPrompt, lr: 1e-4, valueLr: 1e-4 };
      const asked = prompts.map((_, i) => prompts[Math.floor(i / responsesPerPrompt)] as PpoPrompt);
      const { judged, seconds } = await rollOut(opened.models, asked, { ...settings, step, place: "" });
      const read = await readEpisodes(opened.models, judged, state, settings);
      const updated = await update(
        opened.models,
        read.episodes,
        { step, lr: 1e-4 },
        { ...settings, texts: null },
      );
      const ofUpdate = read.seconds.update + updated.seconds.policy + updated.seconds.value;
      return { ...seconds, ...read.seconds, update: ofUpdate };
    };
    const peerOf = (bf16: boolean) => {
      const { endTokenIds } = base.tokenizer;
      const given = {
        pad: 3,
        eos: endTokenIds[0],
        responseTokens: 48,
        minibatches: config.minibatches,
        bf16,
      };
      return TorchPeer.open(
        "ppo_iteration.py",
        [folder, String(threads), JSON.stringify(given)],
        [JSON.stringify(prompts.map(({ tokens }) => tokens))],
      );
    };
    await using peer = await peerOf(false);
    await using peerBf16 = await peerOf(true);
    const ask = async (of: TorchPeer) => (await of.ask("iterate", peerAnswer)).seconds as PhaseSeconds;
    const measured = {
      ours: [] as PhaseSeconds[],
      shared: [] as PhaseSeconds[],
      peer: [] as PhaseSeconds[],
      peerBf16: [] as PhaseSeconds[],
    };
    for (let round = 0; round <= rounds; round++) {
      // In turn, so that whatever else the machine does falls on all alike; the first is warm-up.
      const one = {
        ours: await iterate(2 * round, 1),
        peer: await ask(peer),
        shared: await iterate(2 * round + 1, quick ? 2 : 4),
        peerBf16: await ask(peerBf16),
      };
      if (round === 0) continue;
      for (const who of ["ours", "shared", "peer", "peerBf16"] as const) measured[who].push(one[who]);
    }
    const phases = {
      ours: mediansOf(measured.ours),
      shared: mediansOf(measured.shared),
      peer: mediansOf(measured.peer),
      peerBf16: mediansOf(measured.peerBf16),
    };
    const over = (who: "peer" | "peerBf16", ours: "ours" | "shared") =>
      Number((phases[who].total / phases[ours].total).toFixed(3));
    return {
      n: rounds,
      ratio: over("peer", "ours"),
      ratioBf16: over("peerBf16", "ours"),
      sharedRatio: over("peer", "shared"),
      phases,
      peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
      episodes,
      model: path.basename(folder),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Of each phase, and of the whole, which is no sum of medians. */
function mediansOf(seconds: readonly PhaseSeconds[]): PhaseSeconds & { total: number } {
  const of = (pick: (each: PhaseSeconds) => number) =>
    median(seconds.map((each) => 1000 * pick(each))) / 1000;
  return {
    generation: of((each) => each.generation),
    scoring: of((each) => each.scoring),
    reference: of((each) => each.reference),
    value: of((each) => each.value),
    update: of((each) => each.update),
    total: of((each) => Object.values(each).reduce((sum, value) => sum + value, 0)),
  };
}
