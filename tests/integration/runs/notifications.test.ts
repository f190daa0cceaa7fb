/** @file What admins are told: the list in the app, and webhooks that are signed and tried again. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { webhookDeliveries } from "@/drizzle/schema";
import { notify } from "@/server/domain/notifications";
import {
  deliverDue,
  deliveryHeader,
  signatureHeader,
  signPayload,
  timestampHeader,
} from "@/server/domain/webhooks";
import { freePort } from "../../helpers/free-port";
import { runsServer } from "../../helpers/runs-server";

type Received = { headers: http.IncomingHttpHeaders; body: string };

/** Answers each request with the next of these statuses, then with the last. */
async function receiver(
  statuses: readonly number[],
): Promise<AsyncDisposable & { url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      const status = statuses[Math.min(received.length, statuses.length) - 1] ?? 200;
      response.writeHead(status, { location: "/elsewhere" }).end("an answer nobody reads");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const later = (seconds: number) => new Date(Date.now() + seconds * 1000);

describe("a webhook", () => {
  it("is told of what it asked for, signed, until it takes it", async () => {
    await using server = await runsServer();
    await using target = await receiver([500, 302, 204]);
    const { db, asAdmin } = server;
    const { webhookId, secret } = await asAdmin.notifications.createWebhook({
      url: target.url,
      events: ["runFinished"],
    });
    const runId = await server.newRun();
    const worker = await server.newWorker();
    await worker.end(await worker.claim(), "complete", { checkpointId: null });
    await db.transaction((tx) => notify(tx, { kind: "workerLost", runId, text: "not asked for" }));

    expect(await deliverDue(db)).toBe(1);
    expect(await asAdmin.notifications.deliveries({ webhookId })).toMatchObject([
      { event: "runFinished", status: "pending", attempts: 1, httpStatus: 500, error: "It answered 500." },
    ]);
    expect(await deliverDue(db)).toBe(0);
    await deliverDue(db, later(11));
    // A redirect is no place to take a secret to.
    expect(await asAdmin.notifications.deliveries({ webhookId })).toMatchObject([
      { attempts: 2, httpStatus: 302 },
    ]);
    await deliverDue(db, later(100));
    expect(await asAdmin.notifications.deliveries({ webhookId })).toMatchObject([
      { status: "delivered", attempts: 3, httpStatus: 204, error: null },
    ]);
    expect(await deliverDue(db, later(1e6))).toBe(0);

    expect(target.received).toHaveLength(3);
    expect(new Set(target.received.map(({ headers }) => headers[deliveryHeader])).size).toBe(1);
    for (const { headers, body } of target.received) {
      expect(headers[signatureHeader]).toBe(signPayload(secret, String(headers[timestampHeader]), body));
      expect(headers[signatureHeader]).not.toBe(signPayload("other", String(headers[timestampHeader]), body));
      expect(JSON.parse(body)).toMatchObject({
        event: "runFinished",
        run: { id: runId, number: 1, status: "finished" },
      });
    }
  });

  it("that cannot be reached is given up after two days, and can be tried again", async () => {
    await using server = await runsServer();
    const { db, asAdmin } = server;
    const { webhookId } = await asAdmin.notifications.createWebhook({
      url: `http://127.0.0.1:${await freePort()}`,
      events: ["diskLow"],
    });
    await db.transaction((tx) => notify(tx, { kind: "diskLow", runId: null, text: "low" }));
    let tries = 0;
    for (let hour = 0; hour < 60; hour++) tries += await deliverDue(db, later(hour * 3600));
    expect(tries).toBe(9);
    const [given] = await asAdmin.notifications.deliveries({ webhookId });
    expect(given).toMatchObject({
      status: "failed",
      attempts: 9,
      error: "It could not be reached (ECONNREFUSED).",
    });
    await asAdmin.notifications.retryDelivery({ deliveryId: given?.id ?? "" });
    expect(await deliverDue(db)).toBe(1);
    await expect(asAdmin.notifications.retryDelivery({ deliveryId: given?.id ?? "" })).rejects.toThrow(
      /given up/,
    );
  });

  it("is tested on the spot, and takes what was to be sent with it when it is deleted", async () => {
    await using server = await runsServer();
    await using target = await receiver([200]);
    const { asAdmin } = server;
    const { webhookId } = await asAdmin.notifications.createWebhook({
      url: target.url,
      events: ["runFailed"],
    });
    expect(await asAdmin.notifications.testWebhook({ webhookId })).toMatchObject({
      event: "test",
      status: "delivered",
    });
    expect(await asAdmin.notifications.webhooks()).toMatchObject([
      { id: webhookId, last: { status: "delivered" } },
    ]);
    expect(JSON.stringify(await asAdmin.notifications.webhooks())).not.toContain("secret");
    await asAdmin.notifications.deleteWebhook({ webhookId });
    expect(await server.db.$count(webhookDeliveries, eq(webhookDeliveries.webhookId, webhookId))).toBe(0);
    await expect(asAdmin.notifications.testWebhook({ webhookId })).rejects.toThrow(/no such webhook/);
  });

  it.each(["ftp://example.org", "file:///etc/passwd", "example.org"])(
    "has no address like %s",
    async (url) => {
      await using server = await runsServer();
      await expect(
        server.asAdmin.notifications.createWebhook({ url, events: ["runFailed"] }),
      ).rejects.toThrow(/http/);
    },
  );
});

it("the list in the app is read by each admin for themselves; a full disk is said once an hour", async () => {
  await using server = await runsServer();
  const { db, asAdmin, asOther } = server;
  for (const text of ["first", "again"]) {
    await db.transaction((tx) => notify(tx, { kind: "diskLow", runId: null, text }));
  }
  expect(await asAdmin.notifications.list({})).toMatchObject({
    unread: 1,
    notifications: [{ text: "first", isRead: false }],
  });
  await asAdmin.notifications.markRead();
  expect(await asAdmin.notifications.list({})).toMatchObject({
    unread: 0,
    notifications: [{ isRead: true }],
  });
  expect(await asOther.notifications.list({})).toMatchObject({ unread: 1 });
});
