/**
 * @file Whether chat stays usable while its own model is fine-tuned beside it: time to first token with the trainer at work
 * over that of an idle machine. Blocks alternate; for the idle ones the process that computes is halted (SIGSTOP).
 */
import { readFileSync } from "node:fs";
import { apiVisitor, tokenOf } from "@/tests/helpers/api-visitor";
import { attuneServer } from "@/tests/helpers/attune-server";
import { childOf } from "@/tests/helpers/child-of";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { median, percentile } from "./harness/statistics";
import { streamChat } from "./harness/stream-chat";

const prompt = "Name three things that a lighthouse keeper does in the evening.";
/** Short blocks, so that what else the machine does falls on both sides alike. */
const perBlock = 4;
/** Between two questions: people read. */
const pauseMs = 700;
const maxTokens = 24;
const startLimitMs = 240_000;

export type ChatWhileTrainingBench = {
  /** Answers measured on each side. */
  n: number;
  /** p95 of the milliseconds to the first token: training over idle. */
  ttftP95Ratio: number;
  ttftP95Ms: { idle: number; training: number };
  ttftMedianMs: { idle: number; training: number };
  /** Median of one answer, tokens after the first one over their time. */
  tokensPerSecond: { idle: number; training: number };
  /** The same of the medians, which other work on the machine moves less. */
  ttftMedianRatio: number;
  /** Cores that the trainer had in its blocks: near 0, and nothing was measured but a machine busy with other things. */
  trainerCores: number;
  /** Cores that processes had which are not part of this: above a few tenths, and the p95 is as much theirs. */
  otherCores: number;
  trainerThreads: number;
  model: string;
};

type Side = "idle" | "training";

export default async function run({ quick }: { quick: boolean }): Promise<ChatWhileTrainingBench> {
  const blocks = quick ? 4 : 16;
  const model = defaultModelFolder();
  // With ATTUNE_TRAINER_THREADS other settings can be compared; empty: the default.
  const threads = process.env.ATTUNE_TRAINER_THREADS ?? "";
  await using server = await attuneServer({ env: { ATTUNE_MODEL: model, ATTUNE_TRAINER_THREADS: threads } });
  const visitor = await apiVisitor(server.url, tokenOf(server.setupUrl));
  const key = await visitor.newKey();
  await streamChat({ url: server.url, key, prompt, maxTokens: 8 });
  const runId = await startRun(visitor.call);
  const pid = await waitForSteps(visitor.call, runId, server.pid);

  const first: Record<Side, number[]> = { idle: [], training: [] };
  const rates: Record<Side, number[]> = { idle: [], training: [] };
  let name = "";
  let [cpuSeconds, blockSeconds] = [0, 0];
  const others = watchOthers(server.pid);
  try {
    for (let block = 0; block < blocks * 2; block++) {
      const side: Side = block % 2 === 0 ? "training" : "idle";
      process.kill(pid, side === "training" ? "SIGCONT" : "SIGSTOP");
      const [cpuBefore, blockStartedAt] = [readCpuSeconds(pid), performance.now()];
      for (let i = 0; i < perBlock; i++) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        const startedAt = performance.now();
        const times = await streamChat({
          url: server.url,
          key,
          prompt: `${prompt} (${block}-${i})`,
          maxTokens,
        });
        first[side].push(times.firstTokenMs);
        const seconds = (performance.now() - startedAt - times.firstTokenMs) / 1000;
        rates[side].push((times.tokens - 1) / seconds);
        name = times.model;
      }
      if (side === "idle") continue;
      cpuSeconds += readCpuSeconds(pid) - cpuBefore;
      blockSeconds += (performance.now() - blockStartedAt) / 1000;
    }
  } finally {
    process.kill(pid, "SIGCONT");
  }
  const otherCores = others();
  const { config } = await visitor.call.runs.get.query({ runId });
  await visitor.call.runs.cancel.mutate({ runId });
  const p95 = { idle: percentile(first.idle, 0.95), training: percentile(first.training, 0.95) };
  return {
    n: first.training.length,
    ttftP95Ratio: p95.training / p95.idle,
    ttftP95Ms: p95,
    ttftMedianRatio: median(first.training) / median(first.idle),
    ttftMedianMs: { idle: median(first.idle), training: median(first.training) },
    tokensPerSecond: { idle: median(rates.idle), training: median(rates.training) },
    trainerCores: Math.round((cpuSeconds / blockSeconds) * 100) / 100,
    otherCores,
    trainerThreads: Number(config.threads),
    model: name,
  };
}

/** From now until it is called: the cores that others than the server, its processes and this one had. */
function watchOthers(serverPid: number): () => number {
  const read = () => {
    const [, user, nice, system] = readFileSync("/proc/stat", "utf8").split(/\s+/, 5).map(Number);
    const busy = (Number(user) + Number(nice) + Number(system)) / 100;
    const engine = childOf(serverPid, "engine.js");
    const trainer = childOf(serverPid, "trainer.js");
    const stage = trainer && childOf(trainer, "stage.js");
    const own = [serverPid, process.pid, engine, trainer, stage].map((pid) =>
      pid ? readCpuSeconds(pid) : 0,
    );
    return { busy: busy - own.reduce((sum, each) => sum + each), at: performance.now() };
  };
  const before = read();
  return () => {
    const after = read();
    return Math.round(((after.busy - before.busy) / (after.at - before.at)) * 1e5) / 100;
  };
}

/** Of all threads of a process, from /proc; a tick is a hundredth of a second on Linux. */
function readCpuSeconds(pid: number): number {
  const [, fields = ""] = /\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
  const [user, system] = fields.split(" ").slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

type Call = Awaited<ReturnType<typeof apiVisitor>>["call"];

/** A run over the live model that does nothing but steps until it is cancelled. */
async function startRun(call: Call): Promise<string> {
  const { datasetId } = await call.datasets.start.mutate({ name: "Sums", kind: "demonstrations" });
  const lines = Array.from({ length: 200 }, (_, i) => {
    const response = `${i} and ${i + 7} make ${i + i + 7}. `.repeat(8).trim();
    return JSON.stringify({ prompt: `What do ${i} and ${i + 7} make? Say it eight times.`, response });
  });
  await call.datasets.addLines.mutate({ datasetId, part: 0, text: `${lines.join("\n")}\n` });
  await call.datasets.seal.mutate({ datasetId });
  const [base] = await call.models.checkpoints.query();
  if (!base) throw new Error("The server knows no checkpoint.");
  const { runId } = await call.runs.create.mutate({
    name: "Beside chat",
    stage: "sft",
    config: {
      epochs: 100,
      rowLength: 256,
      rowsPerBatch: 1,
      validationShare: 0,
      evaluateEverySteps: 1_000_000,
      saveEverySteps: 1_000_000,
      sampleTokens: 0,
    },
    baseCheckpointId: base.id,
    datasets: [{ datasetId }],
  });
  return runId;
}

/** Resolves with the process that computes, once it takes steps. */
async function waitForSteps(call: Call, runId: string, serverPid: number): Promise<number> {
  const limit = Date.now() + startLimitMs;
  for (;;) {
    const run = await call.runs.get.query({ runId });
    const trainer = childOf(serverPid, "trainer.js");
    const stage = trainer && childOf(trainer, "stage.js");
    if (run.step >= 2 && stage) return stage;
    if (run.status === "failed" || Date.now() > limit) {
      throw new Error(`The run took no step: it is ${run.status} (${run.reason}).`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
