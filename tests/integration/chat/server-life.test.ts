/** @file A whole server process: killed mid-answer, stopped politely, started twice. Nothing acknowledged is lost. */
import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readServerFile } from "@/server/boot/server-file";
import type { AnswerUpdate } from "@/server/generation/answer-updates";
import { type ApiVisitor, apiVisitor, tokenOf } from "../../helpers/api-visitor";
import { waitUntil } from "../../helpers/fake-generation";
import { fakeAnswer } from "../../helpers/fake-generator";
import { startFakeServer } from "../../helpers/fake-server";
import { freePort } from "../../helpers/free-port";
import { temporaryFolder } from "../../helpers/temporary-folder";

const send = ({ call }: ApiVisitor, content: string) =>
  call.chat.send.mutate({ messageId: randomUUID(), conversationId: null, parentId: null, content });

const messageOf = async ({ call }: ApiVisitor, conversationId: string) =>
  (await call.conversations.get.query({ conversationId })).messages[1];

/** Reads an answer's stream over HTTP to its end. */
async function readStream(url: string, visitor: ApiVisitor, messageId: string): Promise<AnswerUpdate[]> {
  const input = encodeURIComponent(JSON.stringify({ json: { messageId } }));
  const response = await fetch(`${url}/api/trpc/chat.stream?input=${input}`, { headers: visitor.headers });
  const updates: AnswerUpdate[] = [];
  for (const [, data] of (await response.text()).matchAll(/^data: (\{"json".*)$/gm)) {
    updates.push(JSON.parse(data ?? "").json);
  }
  return updates;
}

describe("a server", () => {
  it("killed mid-answer keeps the text, marks it, and continues it after the next start", async () => {
    await using folder = await temporaryFolder();
    const samePort = { PORT: String(await freePort()) };
    const question = "[tokens=600] [delay=5]";
    let conversationId = "";
    let messageId = "";
    let visitor: ApiVisitor;
    {
      await using server = await startFakeServer(folder.path, samePort);
      visitor = await apiVisitor(server.url, tokenOf(server.setupUrl));
      const sent = await send(visitor, question);
      ({ conversationId } = sent);
      messageId = sent.answer.id;
      await waitUntil(async () => ((await messageOf(visitor, conversationId))?.content.length ?? 0) > 200);
      server.child.kill("SIGKILL");
      await server.ended;
    }
    await using server = await startFakeServer(folder.path, samePort);
    const cut = await messageOf(visitor, conversationId);
    expect(cut?.status).toBe("interrupted");
    expect(cut?.content.length).toBeGreaterThan(200);
    expect(fakeAnswer(question).startsWith(cut?.content ?? "-")).toBe(true);
    const [ended] = await readStream(server.url, visitor, messageId);
    expect(ended).toMatchObject({ type: "ended", message: { status: "interrupted" } });
    await visitor.call.chat.continue.mutate({ messageId });
    const updates = await readStream(server.url, visitor, messageId);
    expect(updates.at(-1)).toMatchObject({
      type: "ended",
      message: { status: "complete", content: fakeAnswer(question) },
    });
  });

  it("asked to stop lets a short answer finish, cuts a long one, refuses new ones, and exits 0", async () => {
    await using folder = await temporaryFolder();
    const samePort = { PORT: String(await freePort()) };
    let visitor: ApiVisitor;
    let short = "";
    let long = "";
    {
      await using server = await startFakeServer(folder.path, samePort);
      visitor = await apiVisitor(server.url, tokenOf(server.setupUrl));
      expect((await fs.stat(path.join(folder.path, "server.json"))).mode & 0o777).toBe(0o600);
      expect(readServerFile(folder.path)?.url).toBe(server.url);
      short = (await send(visitor, "[tokens=100] [delay=10]")).conversationId;
      long = (await send(visitor, "[tokens=100000] [delay=10]")).conversationId;
      server.child.kill("SIGINT");
      await waitUntil(() => server.output().includes("Stopping"));
      await expect(send(visitor, "too late")).rejects.toThrow(/shutting down|fetch failed/);
      expect((await fetch(`${server.url}/api/healthz`)).status).toBe(503);
      expect(await server.ended).toBe(0);
      expect(readServerFile(folder.path)).toBeNull();
    }
    await using _restarted = await startFakeServer(folder.path, samePort);
    expect(await messageOf(visitor, short)).toMatchObject({
      status: "complete",
      content: fakeAnswer("[tokens=100] [delay=10]"),
    });
    const cut = await messageOf(visitor, long);
    expect(cut?.status).toBe("interrupted");
    expect(cut?.content).not.toBe("");
  });

  it("refuses a second process on its data folder, and stops at once at the second signal", async () => {
    await using folder = await temporaryFolder();
    await using server = await startFakeServer(folder.path);
    await expect(startFakeServer(folder.path)).rejects.toThrow(`process ${server.child.pid}`);
    const health = await (await fetch(`${server.url}/api/healthz`)).json();
    expect(health).toMatchObject({ status: "ok", database: "ok", disk: { status: "ok" } });
    const visitor = await apiVisitor(server.url, tokenOf(server.setupUrl));
    await send(visitor, "[tokens=100000] [delay=10]");
    server.child.kill("SIGINT");
    await waitUntil(() => server.output().includes("Stopping"));
    server.child.kill("SIGINT");
    expect(await server.ended).toBe(130);
  });
});
