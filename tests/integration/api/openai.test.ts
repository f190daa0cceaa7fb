/** @file The API over real HTTP, asked by the real `openai` client. */
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { eq } from "drizzle-orm";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { conversations, messages, users } from "@/drizzle/schema";
import { resetLimits } from "@/server/auth/limits";
import { startWebServer, type WebServer } from "@/server/boot/web-server";
import { createApiKey, revokeApiKey } from "@/server/domain/api-keys";
import { registerCheckpoint } from "@/server/domain/checkpoints";
import { maxAnswersPerUser } from "@/server/generation/admission";
import { processState } from "@/server/process-state";
import { type ChatServer, chatServer } from "../../helpers/chat-server";
import { writeFakeCheckpoint } from "../../helpers/fake-checkpoint";
import { waitUntil } from "../../helpers/fake-generation";
import { fakeAnswer } from "../../helpers/fake-generator";
import { handleRoutes } from "../../helpers/route-handler";
import { callerFor, makePerson } from "../../helpers/test-context";

let server: ChatServer;
let web: WebServer;

beforeAll(async () => {
  server = await chatServer({ slots: 8 });
  web = await startWebServer({
    env: { PORT: 0, HOST: "127.0.0.1", ATTUNE_TRUSTED_PROXIES: [] },
    handle: handleRoutes,
    metrics: server.chat.metrics,
    onError: () => {},
  });
});

afterAll(async () => {
  await web.close(0);
  await server[Symbol.asyncDispose]();
});

beforeEach(() => resetLimits());

const baseUrl = () => `http://127.0.0.1:${web.port}`;

async function newClient({ consent = false } = {}) {
  const user = await makePerson(server.db);
  const { key, apiKey } = await createApiKey(server.db, { userId: user.id, name: "test", consent });
  const client = new OpenAI({ baseURL: `${baseUrl()}/api/v1`, apiKey: key, maxRetries: 0 });
  return { client, key, user, apiKeyId: apiKey.id };
}

const ask = (content: string): OpenAI.Chat.ChatCompletionMessageParam[] => [{ role: "user", content }];
const running = () => server.chat.generation.status().reduce((sum, engine) => sum + engine.running, 0);

describe("models", () => {
  it("lists channels and checkpoints", async () => {
    const { client } = await newClient();
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(["live", server.checkpointId]);
    expect(data[0]).toMatchObject({ object: "model", owned_by: "attune", checkpoint: server.checkpointId });
  });
});

it("a checkpoint that no channel points to is listed to admins alone, and answers them alone", async () => {
  const folder = await writeFakeCheckpoint(server.dataFolder, "candidate");
  const candidate = await registerCheckpoint(server.db, folder, server.dataFolder);
  const { client, user } = await newClient();
  const list = async () => (await client.models.list()).data.map(({ id }) => id);
  const askBy = (model: string) => client.chat.completions.create({ model, messages: ask("hi [tokens=3]") });
  expect(await list()).not.toContain(candidate);
  for (const model of [candidate, "candidate"]) {
    await expect(askBy(model)).rejects.toMatchObject({ status: 404 });
  }
  await server.db.update(users).set({ role: "admin" }).where(eq(users.id, user.id));
  expect(await list()).toContain(candidate);
  expect(await askBy("candidate")).toMatchObject({ checkpoint: candidate });
});

describe("chat completions", () => {
  it("answer whole, naming the checkpoint", async () => {
    const { client } = await newClient();
    const completion = await client.chat.completions.create({
      model: "live",
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: [{ type: "text", text: "hello [tokens=7]" }] },
      ],
    });
    expect(completion).toMatchObject({
      object: "chat.completion",
      model: "live",
      checkpoint: server.checkpointId,
      system_fingerprint: `fp_${server.checkpointId.slice(0, 16)}`,
      choices: [
        {
          index: 0,
          finish_reason: "stop",
          message: { role: "assistant", content: fakeAnswer("hello [tokens=7]") },
          logprobs: null,
        },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 7, total_tokens: 11 },
    });
  });

  it("stream token by token, with usage at the end if asked", async () => {
    const { client } = await newClient();
    const stream = await client.chat.completions.create({
      model: server.checkpointId,
      messages: ask("hi [tokens=9] [delay=2]"),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    const reasons: (string | null)[] = [];
    const usages: unknown[] = [];
    let chunks = 0;
    for await (const chunk of stream) {
      chunks++;
      expect(chunk).toMatchObject({ checkpoint: server.checkpointId, object: "chat.completion.chunk" });
      text += chunk.choices[0]?.delta.content ?? "";
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
      if (chunk.usage) usages.push(chunk.usage);
    }
    expect(text).toBe(fakeAnswer("hi [tokens=9] [delay=2]"));
    expect(reasons).toEqual(["stop"]);
    expect(usages).toEqual([{ prompt_tokens: 3, completion_tokens: 9, total_tokens: 12 }]);
    expect(chunks).toBeGreaterThan(9);
  });

  it("pass buffering proxies: headers say not to hold or change the stream", async () => {
    const { key } = await newClient();
    const response = await fetch(`${baseUrl()}/api/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "live", messages: ask("hi"), stream: true }),
    });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect(response.headers.get("cache-control")).toContain("no-transform");
    expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
  });

  it("give n choices, each with a seed of its own, the same for the same seed", async () => {
    const { client } = await newClient();
    const create = () =>
      client.chat.completions.create({
        model: "live",
        messages: ask("hi [tokens=6] [seeded=1]"),
        n: 3,
        seed: 11,
      });
    const [first, second] = [await create(), await create()];
    const texts = first.choices.map(({ message }) => message.content);
    expect(texts).toEqual([11, 12, 13].map((seed) => fakeAnswer("hi [tokens=6] [seeded=1]", seed)));
    expect(second.choices.map(({ message }) => message.content)).toEqual(texts);
    expect(first.usage?.completion_tokens).toBe(18);
  });

  it("stop at a stop string and at the token limit", async () => {
    const { client } = await newClient();
    const [, stop = ""] = fakeAnswer("hi [tokens=6]").split(" ");
    const create = (limits: object) =>
      client.chat.completions.create({ model: "live", messages: ask("hi [tokens=6]"), ...limits });
    const stopped = (await create({ stop })).choices[0];
    expect(stopped?.message.content).toBe(fakeAnswer("hi [tokens=6]").split(stop)[0]);
    expect(stopped?.finish_reason).toBe("stop");
    const cut = (await create({ max_completion_tokens: 2 })).choices[0];
    expect(cut?.message.content?.split(" ")).toHaveLength(2);
    expect(cut?.finish_reason).toBe("length");
  });

  it("report log-probabilities with alternatives", async () => {
    const { client } = await newClient();
    const { choices } = await client.chat.completions.create({
      model: "live",
      messages: ask("hi [tokens=3]"),
      logprobs: true,
      top_logprobs: 2,
    });
    const content = choices[0]?.logprobs?.content ?? [];
    expect(content).toHaveLength(3);
    expect(content[0]).toMatchObject({ logprob: -0.5, top_logprobs: [{ logprob: -1 }, { logprob: -1.1 }] });
    expect(Buffer.from(content[0]?.top_logprobs[0]?.bytes ?? []).toString()).toBe(
      content[0]?.top_logprobs[0]?.token,
    );
  });

  it("cancel generation when the client leaves, streaming or waiting", async () => {
    const { client } = await newClient();
    const endless = { model: "live", messages: ask("[tokens=100000] [delay=5]") };
    const stream = await client.chat.completions.create({ ...endless, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    await waitUntil(() => running() === 0, 3_000);
    const controller = new AbortController();
    const waiting = client.chat.completions.create(endless, { signal: controller.signal });
    await waitUntil(() => running() === 1, 3_000);
    controller.abort();
    await expect(waiting).rejects.toThrow();
    await waitUntil(() => running() === 0, 3_000);
  });
});

describe("errors", () => {
  const statusOf = async (call: Promise<unknown>) => {
    const error: unknown = await call.then(
      () => null,
      (caught: unknown) => caught,
    );
    if (!(error instanceof OpenAI.APIError)) throw new Error(`not an API error: ${error}`);
    return { status: error.status, type: error.type, param: error.param, message: error.message };
  };

  it("answer 400 to feedback on what is no id or no choice, and to text that cannot be stored", async () => {
    const { key } = await newClient();
    const give = async (body: object) => {
      const response = await fetch(`${baseUrl()}/api/v1/feedback`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ thumb: "up", ...body }),
      });
      return response.status;
    };
    expect(await give({ completion_id: `chatcmpl-${"-".repeat(36)}` })).toBe(400);
    expect(await give({ completion_id: `chatcmpl-${randomUUID()}`, index: 2 ** 40 })).toBe(400);
    expect(await give({ completion_id: `chatcmpl-${randomUUID()}` })).toBe(404);
    const named = fetch(`${baseUrl()}/api/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "a\0b", messages: ask("hi") }),
    });
    expect((await named).status).toBe(400);
  });

  it("refuse a missing, wrong or revoked key", async () => {
    const { client, user, apiKeyId } = await newClient();
    const wrong = new OpenAI({ baseURL: `${baseUrl()}/api/v1`, apiKey: "att_wrong", maxRetries: 0 });
    expect(await statusOf(wrong.models.list().then())).toMatchObject({
      status: 401,
      type: "authentication_error",
    });
    await client.models.list();
    await revokeApiKey(server.db, { userId: user.id, apiKeyId });
    expect((await statusOf(client.models.list().then())).status).toBe(401);
  });

  it("name the model, the parameter or the limit that does not fit", async () => {
    const { client } = await newClient();
    const create = (body: object) =>
      statusOf(
        client.chat.completions.create({ model: "live", messages: ask("hi"), ...body }) as Promise<unknown>,
      );
    expect(await create({ model: "nope" })).toMatchObject({ status: 404 });
    expect(await create({ temperature: 9 })).toMatchObject({ status: 400, param: "temperature" });
    expect(await create({ n: 99 })).toMatchObject({ status: 400, param: "n" });
    expect(await create({ tools: [{ type: "function", function: { name: "f" } }] })).toMatchObject({
      status: 400,
      param: "tools",
    });
    expect(await create({ top_logprobs: 3 })).toMatchObject({ status: 400, param: "top_logprobs" });
    expect(await create({ messages: [{ role: "assistant", content: "x" }] })).toMatchObject({
      status: 400,
      param: "messages",
    });
    const large = await create({ messages: ask("x".repeat(1024 * 1024)) });
    expect(large.status).toBe(413);
    expect(large.message).toContain("100,000 characters");
  });

  it("refuse a person's answers beyond their share with 429", async () => {
    const { client } = await newClient();
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    const many = Array.from({ length: maxAnswersPerUser }, () =>
      client.chat.completions
        .create({ model: "live", messages: ask("[tokens=100000] [delay=5]") }, { signal: controller.signal })
        .catch(() => {}),
    );
    await waitUntil(async () => {
      const engines = server.chat.generation.status();
      return engines.reduce((sum, { running, waiting }) => sum + running + waiting, 0) === maxAnswersPerUser;
    });
    const refused = await statusOf(client.chat.completions.create({ model: "live", messages: ask("hi") }));
    expect(refused).toMatchObject({ status: 429, type: "rate_limit_error" });
    controller.abort();
    await Promise.all(many);
    await waitUntil(() => running() === 0);
  });

  it("come in OpenAI's shape when the engine dies, whole or in the stream", async () => {
    const { client } = await newClient();
    const crash = { model: "live", messages: ask("[tokens=9] [crash=3] [delay=5]") };
    const whole = await statusOf(client.chat.completions.create(crash));
    expect(whole).toMatchObject({ status: 503 });
    expect(whole.message).toMatch(/started again/);
    const stream = await client.chat.completions.create({ ...crash, stream: true });
    const read = async () => {
      for await (const _chunk of stream);
    };
    await expect(read()).rejects.toThrow(/started again/);
  });
});

describe("traffic", () => {
  it("is not stored unless the key says so", async () => {
    const { client, user } = await newClient();
    const completion = await client.chat.completions.create({ model: "live", messages: ask("secret") });
    expect(await server.db.$count(conversations, eq(conversations.userId, user.id))).toBe(0);
    const feedback = client.post("/feedback", { body: { completion_id: completion.id, thumb: "up" } });
    await expect(feedback).rejects.toMatchObject({ status: 404 });
  });

  it("of a consenting key is a conversation that grows, and takes feedback", async () => {
    const { client, user } = await newClient({ consent: true });
    const call = callerFor(server.db, user);
    const first = await client.chat.completions.create({
      model: "live",
      messages: ask("one [tokens=3] [seeded=1]"),
      n: 2,
      seed: 3,
    });
    const turn = first.choices[1]?.message.content ?? "";
    const second = await client.chat.completions.create({
      model: "live",
      messages: [
        { role: "user", content: "one [tokens=3] [seeded=1]" },
        { role: "assistant", content: turn },
        { role: "user", content: "two [tokens=3]" },
      ],
    });
    const { conversations: listed } = await call.conversations.list({});
    expect(listed).toHaveLength(1);
    expect(listed[0]?.source).toBe("api");
    const tree = await call.conversations.get({ conversationId: listed[0]?.id ?? "" });
    expect(tree.messages.map(({ content }) => content)).toEqual([
      "one [tokens=3] [seeded=1]",
      ...first.choices.map(({ message }) => message.content),
      "two [tokens=3]",
      second.choices[0]?.message.content,
    ]);
    // The second question hangs under the choice that was sent back.
    expect(tree.messages[3]?.parentId).toBe(tree.messages[2]?.id);
    await client.post("/feedback", {
      body: { completion_id: first.id, index: 1, thumb: "down", tags: ["incorrect"], correction: "better" },
    });
    const after = await call.conversations.get({ conversationId: listed[0]?.id ?? "" });
    expect(after.messages[2]?.feedback).toMatchObject({ thumb: -1, correction: "better" });
    const stranger = await newClient({ consent: true });
    await expect(
      stranger.client.post("/feedback", { body: { completion_id: first.id, thumb: "up" } }),
    ).rejects.toMatchObject({ status: 404 });
    await expect(client.post("/feedback", { body: { completion_id: first.id } })).rejects.toMatchObject({
      status: 400,
    });
  });

  it("keeps earlier turns that no policy here wrote apart from those one did", async () => {
    const { client, user } = await newClient({ consent: true });
    await client.chat.completions.create({
      model: "live",
      messages: [
        { role: "user", content: "q" },
        { role: "assistant", content: "written elsewhere" },
        { role: "user", content: "go on" },
      ],
    });
    const [conversation] = await server.db
      .select()
      .from(conversations)
      .where(eq(conversations.userId, user.id));
    const rows = await server.db
      .select()
      .from(messages)
      .where(eq(messages.conversationId, conversation?.id ?? ""))
      .orderBy(messages.createdAt);
    expect(rows.map(({ status, checkpointId }) => [status, checkpointId])).toEqual([
      ["complete", null],
      ["supplied", null],
      ["complete", null],
      ["complete", server.checkpointId],
    ]);
  });

  it("keeps what was made when the client leaves", async () => {
    const { client, user } = await newClient({ consent: true });
    const stream = await client.chat.completions.create({
      model: "live",
      messages: ask("[tokens=100000] [delay=5]"),
      stream: true,
    });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    const stored = async () =>
      (
        await server.db
          .select({ status: messages.status, content: messages.content })
          .from(messages)
          .innerJoin(conversations, eq(conversations.id, messages.conversationId))
          .where(eq(conversations.userId, user.id))
          .orderBy(messages.createdAt)
      )[1];
    await waitUntil(async () => (await stored()) !== undefined);
    expect((await stored())?.status).toBe("stopped");
    expect((await stored())?.content).not.toBe("");
  });
});

describe("operations", () => {
  it("answers metrics to this machine or the token, and nobody else", async () => {
    const text = await (await fetch(`${baseUrl()}/api/metrics`)).text();
    expect(text).toMatch(/^attune_generated_tokens_total [1-9]/m);
    expect(text).toMatch(/^attune_engine_resident_bytes\{checkpoint="/m);
    expect(text).toMatch(/^attune_http_requests_total\{area="v1",method="POST",status="2xx"\} [1-9]/m);
    expect(text).not.toContain("secret");
    // Another name than this machine's own: it came through a proxy.
    const foreign = { headers: { host: "chat.example.org" } };
    const { GET } = await import("@/app/api/metrics/route");
    expect((await GET(new Request("http://chat.example.org/api/metrics", foreign))).status).toBe(403);
    processState().controlToken = "t0ken";
    const withToken = { headers: { authorization: "Bearer t0ken" } };
    expect((await GET(new Request("http://chat.example.org/api/metrics", withToken))).status).toBe(200);
  });

  it("takes commands with the token alone", async () => {
    processState().controlToken = "t0ken";
    const post = (body: object, token: string) =>
      fetch(`${baseUrl()}/api/control`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    expect((await post({ command: "status" }, "wrong")).status).toBe(401);
    const status = await (await post({ command: "status" }, "t0ken")).json();
    expect(status.engines[0]).toMatchObject({ channels: ["live"], state: "ready" });
    const unknown = await post({ command: "resetPassword", email: "no@example.org" }, "t0ken");
    expect(unknown.status).toBe(404);
    expect((await unknown.json()).error).toContain("no@example.org");
    expect((await post({ command: "format" }, "t0ken")).status).toBe(400);
  });
});
