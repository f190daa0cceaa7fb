/** @file Downloads of runs and checkpoints, for admins alone; and what the server does about runs when it comes up. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { runs } from "@/drizzle/schema";
import { verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { findLineageBase } from "@/model/checkpoint/lineage-base";
import { handleAuthRequest } from "@/server/auth/handle-auth-request";
import { hashPassword } from "@/server/auth/passwords";
import type { SessionUser } from "@/server/context";
import { setPassword } from "@/server/domain/account-password";
import { processEnv } from "@/server/env";
import { processAuth } from "@/server/request-context";
import { sendCheckpointArchive, sendCheckpointFile, sendRunExport } from "@/server/runs/download-routes";
import { startUpkeep } from "@/server/runs/upkeep";
import { type RunsServer, runsServer, writeAdapter } from "../../helpers/runs-server";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { makePerson } from "../../helpers/test-context";

const origin = "http://127.0.0.1:3000";

/** The cookie of a session. */
async function signIn({ db }: RunsServer, user: SessionUser): Promise<string> {
  const password = "correct horse battery";
  const passwordHash = await hashPassword(password);
  await db.transaction((tx) => setPassword(tx, user.id, passwordHash));
  const request = new Request(`${origin}/api/auth/sign-in/email`, {
    method: "POST",
    headers: { origin, host: new URL(origin).host, "content-type": "application/json" },
    body: JSON.stringify({ email: user.email, password }),
  });
  const response = await handleAuthRequest(request, { auth: processAuth(), env: processEnv(), address: "x" });
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0])
    .join("; ");
}

const ask = (query: string, headers: Record<string, string>) =>
  new Request(`${origin}/x${query}`, { headers });

describe("downloads", () => {
  it("are refused to people who may not read runs", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const labeler = await signIn(server, await makePerson(server.db, { role: "labeler" }));
    for (const [headers, status] of [
      [{}, 401],
      [{ cookie: labeler }, 403],
    ] as const) {
      const records = await sendRunExport(ask("?content=metrics", headers), runId);
      const file = await sendCheckpointFile(ask("", headers), server.baseCheckpointId, "model.safetensors");
      const archive = await sendCheckpointArchive(ask("", headers), server.baseCheckpointId);
      expect([records.status, file.status, archive.status]).toEqual([status, status, status]);
      expect(await archive.text()).not.toContain("weights");
      expect(await file.text()).not.toContain("weights");
    }
  });

  it("give admins records by name, and files in ranges with their sha256", async () => {
    await using server = await runsServer();
    const runId = await server.newRun();
    const cookie = await signIn(server, server.admin);
    const records = await sendRunExport(ask("?content=timeline&format=csv", { cookie }), runId);
    expect(records.headers.get("content-disposition")).toBe('attachment; filename="run-1-timeline.csv"');
    expect(await records.text()).toMatch(
      /^number,at,step,kind,payload\r\n1,.*,,state,"\{.*""status"":""queued""/,
    );
    expect((await sendRunExport(ask("?content=secrets", { cookie }), runId)).status).toBe(400);
    const file = (name: string, headers = {}) =>
      sendCheckpointFile(ask("", { cookie, ...headers }), server.baseCheckpointId, name);
    const whole = await file("model.safetensors");
    const text = await whole.text();
    expect(whole.headers.get("etag")).toBe(`"${createHash("sha256").update(text).digest("hex")}"`);
    const part = await file("model.safetensors", { range: "bytes=-4" });
    expect([part.status, await part.text()]).toEqual([206, text.slice(-4)]);
    for (const name of ["../../secrets.json", "nothing", "constructor"])
      expect((await file(name)).status).toBe(404);
  });

  it("give admins a whole checkpoint as one archive, with the base of an adapter in its place", async () => {
    await using server = await runsServer();
    const cookie = await signIn(server, server.admin);
    const adapter = await writeAdapter(server, { name: "Polite answers" });
    const response = await sendCheckpointArchive(ask("", { cookie }), adapter.id);
    const name = `Polite-answers-${adapter.id.slice(0, 12)}`;
    expect(response.headers.get("content-disposition")).toBe(`attachment; filename="${name}.tar"`);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.length).toBe(Number(response.headers.get("content-length")));
    await using folder = await temporaryFolder();
    await writeFile(path.join(folder.path, "a.tar"), bytes);
    execFileSync("tar", ["-xf", "a.tar"], { cwd: folder.path });
    const unpacked = path.join(folder.path, name);
    expect((await verifyCheckpoint(unpacked)).lineageBase).toBe(server.baseCheckpointId);
    const asked = { id: server.baseCheckpointId, name: "Base" };
    const base = await findLineageBase(unpacked, asked, []);
    expect(base).toBe(path.join(unpacked, "base"));
    expect((await verifyCheckpoint(base)).name).toBe("Base");
    expect(await readFile(path.join(base, "model.safetensors"), "utf8")).toBe("weights of the base");
  });
});

it("a server that was away gives every worker the time of a lease to report again", async () => {
  await using server = await runsServer();
  await server.newRun();
  const worker = await server.newWorker();
  const run = await worker.claim();
  await server.db.update(runs).set({ leaseExpiresAt: sql`now() - interval '1 hour'` });
  await using _upkeep = await startUpkeep({
    db: server.db,
    dataFolder: server.dataFolder,
    leaseSeconds: 30,
    mailer: null,
    chat: null,
    precision: "int8",
  });
  expect((await worker.heartbeat(run)).body.order).toBe("continue");
});
