/** @file One training step of SmolLM2-135M, batch 8 x 128: LoRA of rank 16 and every weight, against PyTorch, step by step in turn. */
import os from "node:os";
import path from "node:path";
import { z } from "zod";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import { layOutBatch } from "@/model/data/packing";
import { defaultAdamW } from "@/model/optim/adamw";
import { createLora, everyLayer } from "@/model/train/lora";
import { Trainer } from "@/model/train/trainer";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { median } from "./harness/statistics";
import { TorchPeer } from "./harness/torch-peer";

type Kind = "lora" | "full";
type Step = { seconds: number; loss: number; peakMb: number };
/** Something that does one training step when asked. */
type Stepper = AsyncDisposable & { step(): Promise<Step> };

const [rows, length, lr] = [8, 128, 1e-4];
const threads = os.availableParallelism();

export type TrainStepBench = {
  /** Steps measured of each. */
  n: number;
  loraRatio: number;
  fullRatio: number;
  loraRatioBf16: number;
  memoryRatioLora: number;
  memoryRatioFull: number;
  tokensPerSecond: Record<"lora" | "full" | "peerLora" | "peerLoraBf16" | "peerFull", number>;
  model: string;
};

/** `quick` takes the tiny model: it shows that the measurement works, not how fast anything is. */
export default async function run({ quick }: { quick: boolean }): Promise<TrainStepBench> {
  const folder = quick ? path.resolve("model/tiny/sft") : defaultModelFolder();
  const rounds = quick ? 3 : 7;
  // The smaller first: a process's peak only grows.
  const lora = await measure(
    {
      ours: ourStepper(folder, "lora"),
      fp32: peer(folder, "lora", "fp32"),
      bf16: peer(folder, "lora", "bf16"),
    },
    rounds,
  );
  const full = await measure(
    { ours: ourStepper(folder, "full"), fp32: peer(folder, "full", "fp32") },
    rounds,
  );
  const ratio = (peerSeconds: number, ourSeconds: number) => Number((peerSeconds / ourSeconds).toFixed(2));
  const speed = ({ seconds }: { seconds: number }) => Math.round((rows * length) / seconds);
  return {
    n: rounds,
    loraRatio: ratio(lora.fp32.seconds, lora.ours.seconds),
    fullRatio: ratio(full.fp32.seconds, full.ours.seconds),
    loraRatioBf16: ratio(lora.bf16.seconds, lora.ours.seconds),
    memoryRatioLora: ratio(lora.fp32.peakMb, lora.ours.peakMb),
    memoryRatioFull: ratio(full.fp32.peakMb, full.ours.peakMb),
    tokensPerSecond: {
      lora: speed(lora.ours),
      full: speed(full.ours),
      peerLora: speed(lora.fp32),
      peerLoraBf16: speed(lora.bf16),
      peerFull: speed(full.fp32),
    },
    model: path.basename(folder),
  };
}

type Measured = { seconds: number; peakMb: number };

/** Steps in turn, so that whatever else the machine does falls on all alike; the first of each is warm-up. */
async function measure<K extends string>(
  makers: Record<K, Promise<Stepper>>,
  rounds: number,
): Promise<Record<K, Measured>> {
  const steppers: [K, Stepper, Step[]][] = [];
  for (const name of Object.keys(makers) as K[]) steppers.push([name, await makers[name], []]);
  for (let round = 0; round <= rounds; round++) {
    for (const [, stepper, steps] of steppers) steps.push(await stepper.step());
  }
  for (const [, stepper] of steppers) await stepper[Symbol.asyncDispose]();
  const summary = steppers.map(([name, , steps]) => {
    const seconds = median(steps.slice(1).map((step) => step.seconds * 1000)) / 1000;
    return [name, { seconds, peakMb: Math.max(...steps.map(({ peakMb }) => peakMb)) }] as const;
  });
  return Object.fromEntries(summary) as Record<K, Measured>;
}

async function ourStepper(folder: string, kind: Kind): Promise<Stepper> {
  using base = await openCheckpoint(folder);
  const { config, tensors } = base;
  const lora = kind === "lora" ? { rank: 16, alpha: 32, targets: everyLayer(config) } : null;
  const weights = [...expectedTensors(config)].map(([name, shape]) => ({
    name,
    shape,
    values: tensors.read(name),
  }));
  const trainer = new Trainer({
    config,
    lora,
    trained: lora
      ? createLora(config, lora, 1)
      : new Map(weights.map(({ name, ...parameter }) => [name, parameter])),
    frozen: lora ? new Map(weights.map(({ name, values }) => [name, values])) : new Map(),
    shape: { rows, length, targets: rows * length },
    adamW: defaultAdamW,
    threads,
  });
  const example = (row: number) => {
    const tokens = Array.from({ length }, (_, i) => (i * 977 + row * 131 + 7) % (config.vocabularySize - 8));
    return { tokens, counted: tokens.map(() => true) };
  };
  const batch = layOutBatch(
    Array.from({ length: rows }, (_, row) => [example(row)]),
    length,
  );
  return {
    async step() {
      const start = performance.now();
      const { loss } = await trainer.step([batch], { step: 0, lr });
      const seconds = (performance.now() - start) / 1000;
      return { seconds, loss, peakMb: process.resourceUsage().maxRSS / 1024 };
    },
    [Symbol.asyncDispose]: () => trainer[Symbol.asyncDispose](),
  };
}

const stepSchema = z.object({ seconds: z.number(), loss: z.number(), peakMb: z.number() });

async function peer(folder: string, kind: Kind, precision: "fp32" | "bf16"): Promise<Stepper> {
  const child = await TorchPeer.open("train_step.py", [folder, kind, precision, String(threads)]);
  return {
    step: () => child.ask("step", stepSchema),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
