/** @file Scores over HTTP: an endpoint that is down, slow or talks nonsense is asked again, then named; no score is ever made up. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { askEndpoint, EndpointError } from "@/model/train/ppo/endpoint";
import { PausedError } from "@/model/train/run-loop";
import { freePort } from "@/tests/helpers/free-port";

type Item = { messages: { role: string; content: string }[]; response: string };

/** @param answers what each request gets, in order; the last one for all that follow */
async function endpoint(...answers: ((response: ServerResponse, items: Item[]) => void)[]) {
  const asked: Item[][] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      const { items } = JSON.parse(body) as { items: Item[] };
      const answer = answers[Math.min(asked.length, answers.length - 1)];
      asked.push(items);
      answer?.(response, items);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    url: `http://127.0.0.1:${port}/score`,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const partAt = (url: string, more: { timeoutSeconds?: number; retries?: number } = {}) => ({
  type: "endpoint" as const,
  name: "outside",
  weight: 1,
  url,
  timeoutSeconds: 5,
  retries: 0,
  ...more,
});
const rollouts = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    prompt: {
      messages: [{ role: "user" as const, content: `Count to ${i}.` }],
      tokens: [],
      rules: null,
      source: { file: "", line: 1 },
    },
    text: `answer ${i}`,
  }));
const asking = { place: "before iteration 3" };
const byNumber = (response: ServerResponse, items: Item[]) =>
  void response.end(
    JSON.stringify({ scores: items.map(({ response: text }) => Number(text.split(" ")[1])) }),
  );

test("asks with conversation and answer, at most 64 at once, and keeps the order", async () => {
  await using server = await endpoint(byNumber);
  const scores = await askEndpoint(partAt(server.url), rollouts(130), asking);
  expect(scores).toEqual(Array.from({ length: 130 }, (_, i) => i));
  expect(server.asked.map(({ length }) => length)).toEqual([64, 64, 2]);
  expect(server.asked[0]?.[3]).toEqual({
    messages: [{ role: "user", content: "Count to 3." }],
    response: "answer 3",
  });
});

test("what fails once is asked again", async () => {
  await using server = await endpoint((response) => response.writeHead(503).end(), byNumber);
  expect(await askEndpoint(partAt(server.url, { retries: 1 }), rollouts(2), asking)).toEqual([0, 1]);
  expect(server.asked).toHaveLength(2);
});

describe("pauses the run and says why where it", () => {
  test.each<[string, (response: ServerResponse) => void, RegExp]>([
    ["fails", (response) => response.writeHead(500).end("{}"), /: it answered 500\./],
    ["is no JSON", (response) => response.end("<html>"), /: its answer is not \{scores: \[number\]\}\./],
    [
      "has no scores",
      (response) => response.end('{"score": [1, 2]}'),
      /: its answer is not \{scores: \[number\]\}\./,
    ],
    ["has a score that is none", (response) => response.end('{"scores": [1, null]}'), /: its answer is not/],
    [
      "has a score too few",
      (response) => response.end('{"scores": [1]}'),
      /: it gave 1 scores for 2 responses\./,
    ],
    ["hangs up", (response) => response.destroy(), /: it could not be reached \(/],
    ["never answers", () => {}, /: it did not answer within 0\.2 s\./],
    [
      "never ends its answer",
      (response) => void response.write('{"scores": ['),
      /: it did not answer within 0\.2 s\./,
    ],
  ])("%s", async (_, answer, reason) => {
    await using server = await endpoint(answer);
    const asked = askEndpoint(partAt(server.url, { timeoutSeconds: 0.2 }), rollouts(2), asking);
    await expect(asked).rejects.toThrow(EndpointError);
    await expect(asked).rejects.toThrow(PausedError);
    await expect(asked).rejects.toThrow(reason);
    await expect(asked).rejects.toThrow(
      /outside gave no scores in 1 attempts.*paused before iteration 3, and nothing was scored as 0/,
    );
  });

  test("is down", async () => {
    const url = `http://127.0.0.1:${await freePort()}/`;
    await expect(askEndpoint(partAt(url), rollouts(1), asking)).rejects.toThrow(
      /it could not be reached \(.*ECONNREFUSED/,
    );
  });
});

test("an abort ends it at once, as an abort", async () => {
  await using server = await endpoint(() => controller.abort());
  const controller = new AbortController();
  const asked = askEndpoint(partAt(server.url, { retries: 5 }), rollouts(1), {
    ...asking,
    signal: controller.signal,
  });
  await expect(asked).rejects.toThrow(/abort/i);
  await expect(asked).rejects.not.toThrow(EndpointError);
  expect(server.asked).toHaveLength(1);
});

test("an abort while it waits to ask again does not wait for that", async () => {
  await using server = await endpoint((response) => response.writeHead(503).end());
  const controller = new AbortController();
  const part = partAt(server.url, { retries: 12 });
  const asked = askEndpoint(part, rollouts(1), { ...asking, signal: controller.signal });
  const ended = expect(asked).rejects.toThrow(/abort/i);
  // The waits double from half a second on: all twelve take over half an hour.
  while (server.asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const startedAt = performance.now();
  controller.abort();
  await ended;
  expect(performance.now() - startedAt).toBeLessThan(500);
  expect(server.asked).toHaveLength(2);
});
