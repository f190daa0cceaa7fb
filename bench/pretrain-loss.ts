/** @file A GPT-2 of a million parameters pretrained by us and by PyTorch, from the same weights on the same batches: both validation losses. */
import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { writeProse } from "@/model/data/tiny-prose";
import { createRandom } from "@/model/random/random";
import { runPretrain } from "@/model/train/pretrain";
import { type PretrainConfig, pretrainConfigSchema } from "@/model/train/pretrain-config";
import { parseConfig } from "@/model/train/run-config";
import { torchPython } from "./harness/torch-python";

export type PretrainLossBench = {
  /** Runs of each. */
  n: 1;
  /** Validation loss at the end, in nats per token. */
  ours: number;
  peer: number;
  /** Ours less the peer's: below 0 ours is better. */
  difference: number;
  /** Of both, before the first step. */
  before: number;
  bitsPerByte: number;
  steps: number;
  /** Of the steps alone, without evaluation and saving. */
  seconds: { ours: number; peer: number };
  /** File name of the text, or that it was generated. */
  text: string;
};

type Trained = { before: number; after: number; seconds: number };

/** ATTUNE_BENCH_TEXT names the text to learn, tinyshakespeare for instance; without it the project's own prose is learned. */
export default async function run({ quick }: { quick: boolean }): Promise<PretrainLossBench> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "attune-pretrain-loss-"));
  try {
    const file = process.env.ATTUNE_BENCH_TEXT;
    const text = file ? await fs.readFile(file, "utf8") : generateProse(mostCharacters);
    await fs.writeFile(path.join(folder, "text.txt"), text.slice(0, quick ? 60_000 : mostCharacters));
    const config = configOf(folder);
    const { steps, bitsPerByte, ...ours } = await pretrain(config);
    const peer = await peerOf(config, folder);
    return {
      n: 1,
      ours: ours.after,
      peer: peer.after,
      difference: ours.after - peer.after,
      before: ours.before,
      bitsPerByte,
      steps,
      seconds: { ours: rounded(ours.seconds), peer: rounded(peer.seconds) },
      text: file ? path.basename(file) : "generated prose",
    };
  } finally {
    await fs.rm(folder, { recursive: true });
  }
}

/** What both sides learn in about two minutes on two cores. */
const mostCharacters = 1_000_000;

function generateProse(characters: number): string {
  const random = createRandom(1);
  const lines: string[] = [];
  for (let written = 0; written < characters; written += lines.at(-1)?.length ?? 0)
    lines.push(`${writeProse(random)}\n`);
  return lines.join("");
}

const configOf = (folder: string): PretrainConfig =>
  parseConfig(pretrainConfigSchema, {
    data: [path.join(folder, "text.txt")],
    tokenizer: path.resolve("model/tiny/sft"),
    output: path.join(folder, "run"),
    architecture: {
      family: "gpt2",
      hiddenSize: 128,
      intermediateSize: 512,
      layerCount: 4,
      contextLength: 128,
    },
    rowsPerBatch: 8,
    epochs: 1,
    lr: 2e-3,
    warmupSteps: 20,
    validationShare: 0.1,
    threads: os.availableParallelism(),
    // At the beginning and at the end only.
    evaluateEverySteps: 1e9,
  });

async function pretrain(config: PretrainConfig): Promise<Trained & { steps: number; bitsPerByte: number }> {
  const times: number[] = [];
  const onEvent = ({ type }: { type: string }) => {
    // The steps begin when the first checkpoint is saved.
    if (type === "step" || (type === "saved" && times.length === 0)) times.push(performance.now());
  };
  const { validationLossBefore, validationLoss, bitsPerByte, steps } = await runPretrain(config, { onEvent });
  if (validationLossBefore === null || validationLoss === null || bitsPerByte === null)
    throw new Error("The text is too short to hold a part of it out");
  const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
  return { before: validationLossBefore, after: validationLoss, bitsPerByte, steps, seconds };
}

const peerSchema = z.object({ before: z.number(), after: z.number(), seconds: z.number() });

/** The same run in PyTorch, from the weights that ours started with. */
async function peerOf(config: PretrainConfig, folder: string): Promise<Trained> {
  const settings = path.join(folder, "settings.json");
  await fs.writeFile(settings, JSON.stringify({ ...config, stage: "pretrain" }));
  const script = path.resolve("bench/peers/pretrain_loss.py");
  const { stdout } = await promisify(execFile)(torchPython(), [
    script,
    settings,
    path.join(config.output, "start"),
  ]);
  return peerSchema.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
}

const rounded = (seconds: number) => Number(seconds.toFixed(1));
