/** @file A real server with the default model: time to first token and tokens a second, with 1, 4 and 16 streams. */
import fs from "node:fs";
import { apiVisitor, tokenOf } from "@/tests/helpers/api-visitor";
import { attuneServer } from "@/tests/helpers/attune-server";
import { median, percentile } from "./harness/statistics";
import { type StreamTimes, streamChat } from "./harness/stream-chat";

const prompt = "Write a long story about a lighthouse keeper who finds a map.";

export type ChatBench = {
  /** Streams measured, over all rounds. */
  n: number;
  /** Median milliseconds to the first token, by number of streams at once. */
  ttftMs: Record<string, number>;
  /** Tokens a second of all streams together, median over rounds. */
  tokensPerSecond: Record<string, number>;
  /** p95 of a plain API call while the streams run. */
  apiP95Ms: number;
  /** Peaks of web and engine process, added. */
  peakRssMb: number;
  model: string;
};

export default async function run({ quick }: { quick: boolean }): Promise<ChatBench> {
  const maxTokens = quick ? 32 : 128;
  const rounds = quick ? 1 : 3;
  await using server = await attuneServer();
  const visitor = await apiVisitor(server.url, tokenOf(server.setupUrl));
  const key = await visitor.newKey();
  await streamChat({ url: server.url, key, prompt, maxTokens: 8 });
  const ttftMs: Record<string, number> = {};
  const tokensPerSecond: Record<string, number> = {};
  const apiMs: number[] = [];
  let n = 0;
  let model = "";
  for (const streams of [1, 4, 16]) {
    const first: number[] = [];
    const rates: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const probing = new AbortController();
      const probe = probeApi(server.url, key, apiMs, probing.signal);
      const startedAt = performance.now();
      const times: StreamTimes[] = await Promise.all(
        Array.from({ length: streams }, (_, i) =>
          streamChat({ url: server.url, key, prompt: `${prompt} (${streams}-${round}-${i})`, maxTokens }),
        ),
      );
      const seconds = (performance.now() - startedAt) / 1000;
      probing.abort();
      await probe;
      n += streams;
      model = times[0]?.model ?? model;
      first.push(...times.map((time) => time.firstTokenMs));
      rates.push(times.reduce((sum, { tokens }) => sum + tokens, 0) / seconds);
    }
    ttftMs[streams] = median(first);
    tokensPerSecond[streams] = median(rates);
  }
  return {
    n,
    ttftMs,
    tokensPerSecond,
    apiP95Ms: percentile(apiMs, 0.95),
    peakRssMb: peakRssMb(server.pid),
    model,
  };
}

/** Calls a plain endpoint five times a second, as often as one key may, until aborted; notes how long each call took. */
async function probeApi(
  url: string,
  key: string,
  milliseconds: number[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const startedAt = performance.now();
    const response = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`/v1/models answered ${response.status}`);
    milliseconds.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** High-water marks of a process and its children, from /proc. */
function peakRssMb(pid: number): number {
  const children = fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(/\s+/)
    .filter(Boolean);
  const kilobytes = [String(pid), ...children].map((id) =>
    Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0),
  );
  return Math.round(kilobytes.reduce((sum, value) => sum + value, 0) / 1024);
}
