/** @file What a stage of PPO tells, as the protocol's events: every one of them is taken by the protocol's own schema. */
import { describe, expect, it } from "vitest";
import { toProtocolEvents } from "@/bin/training/report-events";
import { maxMessageBytes, mostEpisodeTokens, workerEvent } from "@/server/runs/protocol";

const datasetId = "00000000-0000-4000-8000-000000000000";
const source = { file: `/runs/data/${datasetId}.jsonl`, line: 3 };

function shown(tokens: number, text = "word ") {
  return {
    prompt: "Why?",
    source,
    response: text.repeat(tokens),
    score: 0.123456,
    parts: { rewardModel: 0.5, ["x".repeat(80)]: 1 },
    reward: -1.5,
    kl: 2,
    isEnded: true,
    tokens: Array.from({ length: tokens }, (_, i) => ({ text, logprob: -i / 9, kl: i / 7, value: -i })),
  };
}

/** Read by the server's schema, or it throws. */
const told = (event: Parameters<typeof toProtocolEvents>[0]) =>
  toProtocolEvents(event).map((each, i) => workerEvent.parse({ ...each, sequence: i + 1 }));

describe("an iteration", () => {
  it("is metrics of the step done, phases in seconds, parts by names the protocol takes", () => {
    const metrics = { score: 0.5, klK3: Number.NaN, "part.my rules": 1, [`part.${"y".repeat(90)}\n`]: 2 };
    const [event] = told({ type: "iteration", step: 4, metrics, seconds: { generation: 1.5, update: 2 } });
    expect(event).toMatchObject({
      type: "metrics",
      step: 5,
      values: { score: 0.5, klK3: null, "part.my rules": 1, generationSeconds: 1.5, updateSeconds: 2 },
    });
    expect(event).toHaveProperty(["values", `part.${"y".repeat(60)}`], 2);
  });

  it("of the stage's own phases leaves none of the loop's", () => {
    const step = {
      step: 0,
      totalSteps: 1,
      loss: 1,
      lr: 1,
      gradientNorm: 1,
      tokensPerSecond: 1,
      secondsLeft: 0,
    };
    const [event] = told({ type: "step", ...step, epoch: 0, tokensSeen: 1, memoryMb: 1, seconds: {} });
    expect(JSON.stringify(event)).not.toMatch(/Seconds/);
  });
});

describe("episodes", () => {
  it("name the row of their prompt, and hold three digits of each number", () => {
    const [event] = told({ type: "episodes", step: 0, episodes: [shown(3)] });
    expect(event).toMatchObject({
      step: 1,
      episodes: [
        {
          source: { datasetId, position: 2 },
          episode: { score: 0.1235, tokens: ["word ", "word ", "word "], tokenKl: [0, 0.1429, 0.2857] },
        },
      ],
    });
  });

  it("of great length are cut, and fit one message", () => {
    const long = Array.from({ length: 64 }, () => shown(2 * mostEpisodeTokens, "ä\u{1f99c}".repeat(60)));
    const [event] = told({ type: "episodes", step: 0, episodes: long });
    if (event?.type !== "episodes") throw new Error("They were not told.");
    expect(event.episodes[0]?.episode.tokens.length).toBe(mostEpisodeTokens);
    expect(event.episodes.length).toBeGreaterThan(0);
    expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(maxMessageBytes);
  });

  it("where none are kept are not told", () => {
    expect(told({ type: "episodes", step: 0, episodes: [] })).toEqual([]);
  });
});
