/** @file Promotions and rollbacks while eight people stream answers: none may break or mix two policies, and the new one comes soon. */
import fs from "node:fs/promises";
import path from "node:path";
import { manifestFileName } from "@/model/checkpoint/manifest";
import { readServerFile } from "@/server/boot/server-file";
import { type ApiVisitor, apiVisitor, tokenOf } from "@/tests/helpers/api-visitor";
import { attuneServer } from "@/tests/helpers/attune-server";
import { testModel } from "@/tests/helpers/test-model";
import { median } from "./harness/statistics";

const streams = 8;
/** Between two answers of one person: a key may ask so often a second, and no oftener. */
const pauseMs = 1_000;
const prompt = "Write a long story about a lighthouse keeper who finds a map.";
const gates = [
  "winRate",
  "judgments",
  "worstSlice",
  "heldOut",
  "tax",
  "flags",
  "regressions",
  "parity",
] as const;

export type SwapBench = {
  /** Answers streamed. */
  n: number;
  swaps: number;
  streams: number;
  /** Answers that ended without an end, in an error, without a token, or by two checkpoints. */
  broken: number;
  /** Median from the click to the first token of the new policy. */
  secondsToNewPolicy: number;
  slowestSeconds: number;
  model: string;
};

type Streamed = { checkpoint: string | null; firstTokenAt: number; isWhole: boolean };

export default async function run({ quick }: { quick: boolean }): Promise<SwapBench> {
  const swaps = quick ? 4 : 20;
  await using server = await attuneServer();
  const visitor = await apiVisitor(server.url, tokenOf(server.setupUrl));
  const key = await visitor.newKey();
  const second = await addCopy(server.dataFolder);
  await visitor.call.promotion.endCanary.mutate({ channel: "spare", reason: "registered" });
  const done: Streamed[] = [];
  const stopping = new AbortController();
  const people = Array.from({ length: streams }, () =>
    keepAsking(server.url, key, { into: done, signal: stopping.signal }),
  );
  const seconds: number[] = [];
  for (let i = 0; i < swaps; i++) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const startedAt = performance.now();
    const wanted = i % 2 === 0 ? await promote(visitor, second) : await rollBack(visitor);
    seconds.push((await firstTokenOf(done, wanted, startedAt)) / 1000);
  }
  stopping.abort();
  await Promise.all(people);
  return {
    n: done.length,
    swaps,
    streams,
    broken: done.filter(({ isWhole }) => !isWhole).length,
    secondsToNewPolicy: Number(median(seconds).toFixed(2)),
    slowestSeconds: Number(Math.max(...seconds).toFixed(2)),
    model: (await visitor.call.promotion.state.query({})).live?.name ?? "",
  };
}

/** The same weights under another id: what is measured is the switch. @returns its id */
async function addCopy(dataFolder: string): Promise<string> {
  const source = await testModel();
  const folder = path.join(dataFolder, "models", "copy");
  await fs.cp(source, folder, { recursive: true });
  const file = path.join(folder, manifestFileName);
  const manifest: { name: string } = JSON.parse(await fs.readFile(file, "utf8"));
  await fs.writeFile(file, JSON.stringify({ ...manifest, name: `${manifest.name} (copy)` }));
  const running = readServerFile(dataFolder);
  if (!running) throw new Error("The server has written no server file.");
  const response = await fetch(`${running.url}/api/control`, {
    method: "POST",
    headers: { authorization: `Bearer ${running.token}`, "content-type": "application/json" },
    body: JSON.stringify({ command: "useModel", folder, channel: "spare" }),
  });
  const answer = (await response.json()) as { checkpointId?: string };
  if (!answer.checkpointId) throw new Error(`The copy was not registered: ${JSON.stringify(answer)}`);
  return answer.checkpointId;
}

async function promote({ call }: ApiVisitor, checkpointId: string): Promise<string> {
  const reason = "benchmark";
  const overrides = gates.map((gate) => ({ gate, reason }));
  const request = await call.promotion.request.mutate({ checkpointId, reason, overrides });
  await call.promotion.carryOut.mutate(request);
  return checkpointId;
}

async function rollBack({ call }: ApiVisitor): Promise<string> {
  await call.promotion.rollBack.mutate({});
  return (await call.promotion.state.query({})).live?.id ?? "";
}

/** @returns milliseconds after `startedAt`. @throws {Error} when it does not come within a minute */
async function firstTokenOf(done: Streamed[], checkpoint: string, startedAt: number): Promise<number> {
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 20) {
    const times = done
      .filter((each) => each.checkpoint === checkpoint && each.firstTokenAt > startedAt)
      .map(({ firstTokenAt }) => firstTokenAt);
    if (times.length > 0) return Math.min(...times) - startedAt;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`No token of ${checkpoint} came.`);
}

type Asking = { into: Streamed[]; signal: AbortSignal };

async function keepAsking(url: string, key: string, { into, signal }: Asking): Promise<void> {
  while (!signal.aborted) {
    const streamed: Streamed = { checkpoint: null, firstTokenAt: Number.NaN, isWhole: false };
    into.push(streamed);
    await readAnswer(url, key, streamed).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Fills in what it sees as it comes, so that a broken one shows as such. */
async function readAnswer(url: string, key: string, streamed: Streamed): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "live",
      messages: [{ role: "user", content: prompt }],
      max_completion_tokens: 64,
      stream: true,
    }),
  });
  let isEnded = false;
  let isMixed = false;
  for await (const chunk of readEvents(response)) {
    if (chunk === "[DONE]") {
      isEnded = true;
      continue;
    }
    const { checkpoint, choices, error } = JSON.parse(chunk);
    if (error || !checkpoint) return;
    isMixed ||= streamed.checkpoint !== null && streamed.checkpoint !== checkpoint;
    streamed.checkpoint = checkpoint;
    if (choices?.[0]?.delta?.content && Number.isNaN(streamed.firstTokenAt)) {
      streamed.firstTokenAt = performance.now();
    }
  }
  streamed.isWhole = isEnded && !isMixed && !Number.isNaN(streamed.firstTokenAt);
}

/** The data of server-sent events, one at a time, as they come. */
async function* readEvents({ body }: Response): AsyncGenerator<string> {
  let rest = "";
  for await (const part of (body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice("data: ".length);
  }
}
