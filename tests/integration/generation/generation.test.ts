/** @file Real engine processes around a fake policy: streams, fairness, crashes, swaps. */
import os from "node:os";
import { describe, expect, it } from "vitest";
import { AppError } from "@/server/errors";
import { maxAnswersPerUser } from "@/server/generation/admission";
import { explainFailure } from "@/server/generation/explain-failure";
import type { Generation } from "@/server/generation/generation";
import { ask, collect, fakeGeneration, finishReason, waitUntil } from "../../helpers/fake-generation";
import { fakeAnswer } from "../../helpers/fake-generator";

const live = { channel: "live" } as const;
const openLive = (generation: Generation, checkpointId = "tuned-1") =>
  generation.openChannels(new Map([["live", { checkpointId, trafficShare: 0 }]]));

const point = (generation: Generation, checkpointId: string, commit: () => Promise<void>) =>
  generation.pointChannel("live", { checkpointId, commit });

const generate = (
  generation: Generation,
  question: string,
  { user = "ann", signal }: { user?: string; signal?: AbortSignal } = {},
) => generation.generate(live, ask(question), { place: generation.admit(user), signal });

describe("generation", () => {
  it("streams the whole answer of the channel's checkpoint and names it", async () => {
    await using generation = await fakeGeneration();
    openLive(generation);
    const answering = generate(generation, "hello [tokens=30]");
    const collected = await collect(answering.events);
    expect(collected.text).toBe(fakeAnswer("hello [tokens=30]"));
    expect(collected.tokens).toBe(30);
    expect(finishReason(collected)).toBe("stop");
    expect(answering.checkpoint).toEqual({ id: "tuned-1", name: "tuned-1" });
  });

  it("runs the engine below the web process's priority and reports its memory", async () => {
    await using generation = await fakeGeneration();
    openLive(generation);
    await generation.load("tuned-1");
    const [engine] = generation.status();
    expect(os.getPriority(engine?.pid ?? 0)).toBeGreaterThan(os.getPriority(process.pid));
    await waitUntil(() => (generation.status()[0]?.rssBytes ?? 0) > 10e6);
  });

  it("cancels within a token", async () => {
    await using generation = await fakeGeneration();
    openLive(generation);
    const controller = new AbortController();
    let tokensAfterAbort = 0;
    let reason: string | null = null;
    const { events } = generate(generation, "[tokens=1000] [delay=20]", { signal: controller.signal });
    for await (const event of events) {
      if (event.type === "token" && controller.signal.aborted) tokensAfterAbort++;
      if (event.type === "token") controller.abort();
      if (event.type === "finished") reason = event.reason;
    }
    expect(reason).toBe("cancelled");
    expect(tokensAfterAbort).toBeLessThanOrEqual(1);
    expect(generation.status()[0]?.running).toBe(0);
  });

  it("cancels a request that still waits, without running it", async () => {
    await using generation = await fakeGeneration({ slots: 1 });
    openLive(generation);
    await generation.load("tuned-1");
    const long = new AbortController();
    const running = collect(generate(generation, "[tokens=1000] [delay=20]", { signal: long.signal }).events);
    const controller = new AbortController();
    const waiting = collect(generate(generation, "later", { signal: controller.signal }).events);
    await waitUntil(() => generation.status()[0]?.waiting === 1);
    controller.abort();
    const collected = await waiting;
    expect(finishReason(collected)).toBe("cancelled");
    expect(collected.tokens).toBe(0);
    expect(collected.events[0]).toEqual({ type: "queued", position: 1 });
    long.abort();
    await running;
  });

  it("frees the slot when the reader leaves early", async () => {
    await using generation = await fakeGeneration({ slots: 1 });
    openLive(generation);
    for await (const event of generate(generation, "[tokens=1000] [delay=20]").events) {
      if (event.type === "token") break;
    }
    const collected = await collect(generate(generation, "next").events);
    expect(finishReason(collected)).toBe("stop");
  });

  it("refuses a person's answers beyond their share with a clear message, and serves others first", async () => {
    await using generation = await fakeGeneration({ slots: 2 });
    openLive(generation);
    await generation.load("tuned-1");
    const refused: unknown[] = [];
    const ended: string[] = [];
    const running: Promise<unknown>[] = [];
    for (let index = 0; index < 50; index++) {
      try {
        const { events } = generate(generation, `${index} [tokens=4] [delay=5]`);
        running.push(collect(events).then(() => ended.push("ann")));
      } catch (error) {
        refused.push(error);
      }
    }
    const other = generate(generation, "me too [tokens=4] [delay=5]", { user: "bob" });
    running.push(collect(other.events).then(() => ended.push("bob")));
    await Promise.all(running);
    expect(refused).toHaveLength(50 - maxAnswersPerUser);
    expect(refused[0]).toBeInstanceOf(AppError);
    expect(String(refused[0])).toContain(`${maxAnswersPerUser} answers in the making`);
    expect(ended.indexOf("bob")).toBeLessThan(5);
    expect(() => generation.admit("ann").release()).not.toThrow();
  });

  it("fails only the requests of a crashed engine, then answers again", async () => {
    await using generation = await fakeGeneration({ slots: 2 });
    openLive(generation);
    const [crashed, beside, queued] = await Promise.all([
      collect(generate(generation, "[tokens=40] [delay=5] [crash=10]").events),
      collect(generate(generation, "[tokens=4000] [delay=5]", { user: "bob" }).events),
      collect(generate(generation, "patient", { user: "cid" }).events),
    ]);
    expect(crashed.text).toBe(
      fakeAnswer("[tokens=40] [delay=5] [crash=10]").split(" ").slice(0, 10).join(" "),
    );
    for (const { error } of [crashed, beside]) {
      expect(explainFailure(error)).toMatch(/stopped unexpectedly.*try again/i);
    }
    // It was waiting, so nothing of it was lost.
    expect(finishReason(queued)).toBe("stop");
    expect(generation.restarts).toBe(1);
    expect(finishReason(await collect(generate(generation, "again").events))).toBe("stop");
  });

  it("fails one request without touching the others or the process", async () => {
    await using generation = await fakeGeneration();
    openLive(generation);
    const [failed, fine] = await Promise.all([
      collect(generate(generation, "[tokens=40] [fail=3]").events),
      collect(generate(generation, "[tokens=40] [delay=2]").events),
    ]);
    expect(explainFailure(failed.error)).not.toContain("asked to fail");
    expect(failed.tokens).toBe(3);
    expect(finishReason(fine)).toBe("stop");
    expect(generation.restarts).toBe(0);
  });

  it("tells why a checkpoint cannot be loaded to the admin and the log, not to people, and tries again when asked", async () => {
    await using generation = await fakeGeneration();
    openLive(generation, "broken-1");
    for (const _attempt of [1, 2]) {
      const { error } = await collect(generate(generation, "hello").events);
      expect(error).toBeInstanceOf(AppError);
      expect(String(error)).toContain("The model cannot answer right now");
      expect(String(error)).not.toContain("/models");
      expect(String(error instanceof Error && error.cause)).toContain("/models/broken-1 holds no model");
    }
    await expect(generation.load("broken-1")).rejects.toThrow("/models/broken-1 holds no model");
    expect(generation.stateOf("broken-1")?.state).toBe("failed");
  });

  it("refuses a checkpoint that does not fit into memory, with both numbers", async () => {
    await using generation = await fakeGeneration({
      locate: async (id) => ({
        name: id,
        folder: `/models/${id}`,
        basePlaces: [],
        sizeBytes: id === "huge" ? 1e15 : 1,
      }),
    });
    openLive(generation);
    await expect(generation.load("huge")).rejects.toThrow(/huge needs about 1,000,000,\d+ MB .* are free/);
    expect(finishReason(await collect(generate(generation, "still here").events))).toBe("stop");
  });

  it("serves another checkpoint beside the live one", async () => {
    await using generation = await fakeGeneration();
    openLive(generation);
    const beside = generation.generate({ checkpointId: "tuned-2" }, ask("hi"), {
      place: generation.admit("ann"),
    });
    await Promise.all([collect(beside.events), collect(generate(generation, "hi").events)]);
    expect(beside.checkpoint.name).toBe("tuned-2");
    expect(generation.status().map(({ checkpointId }) => checkpointId)).toEqual(["tuned-1", "tuned-2"]);
  });

  it("swaps the live checkpoint under 20 streams without breaking one", async () => {
    await using generation = await fakeGeneration({ slots: 32 });
    openLive(generation);
    await generation.load("tuned-1");
    const before = Array.from({ length: 20 }, (_, index) =>
      collect(generate(generation, `${index} [tokens=60] [delay=10]`, { user: `user-${index}` }).events),
    );
    await waitUntil(() => generation.status()[0]?.running === 20);
    const written: string[] = [];
    await generation.pointChannel("live", {
      checkpointId: "tuned-2",
      commit: async () => void written.push("tuned-2"),
    });
    const after = generate(generation, "new [tokens=3]");
    expect(finishReason(await collect(after.events))).toBe("stop");
    expect(after.checkpoint.id).toBe("tuned-2");
    expect(written).toEqual(["tuned-2"]);
    for (const [index, collected] of (await Promise.all(before)).entries()) {
      expect(collected.error).toBeNull();
      expect(collected.text).toBe(fakeAnswer(`${index} [tokens=60] [delay=10]`));
    }
    // Drained, the old engine gives its memory back.
    await waitUntil(() => generation.status().every(({ checkpointId }) => checkpointId === "tuned-2"));
  });

  it("keeps the old checkpoint live when the new one cannot be loaded or written down", async () => {
    await using generation = await fakeGeneration();
    openLive(generation);
    const never = async () => expect.unreachable("nothing to commit");
    await expect(point(generation, "broken-2", never)).rejects.toThrow("holds no model");
    const failing = async () => Promise.reject(new Error("disk full"));
    await expect(point(generation, "tuned-2", failing)).rejects.toThrow("disk full");
    expect(generation.resolve(live)).toBe("tuned-1");
  });

  it("leaves no process behind", async () => {
    const generation = await fakeGeneration();
    openLive(generation);
    await generation.load("tuned-1");
    const pid = generation.status()[0]?.pid ?? 0;
    const streaming = collect(generate(generation, "[tokens=1000] [delay=20]").events);
    await generation[Symbol.asyncDispose]();
    expect((await streaming).error).not.toBeNull();
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(() => generation.admit("ann")).toThrow("shutting down");
  });
});
