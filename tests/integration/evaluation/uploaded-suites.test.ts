/** @file Suites that an admin uploads: as zip or tar, refused with file, line and field, measured by name, kept while a run refers to them. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readArchive } from "@/server/domain/evaluation/read-archive";
import { uploadSuite } from "@/server/domain/evaluation/uploaded-suites";
import { takeSuite } from "@/server/runs/suite-upload-route";
import { tarOf, zipOf } from "../../helpers/archives";
import { type RunsServer, runsServer } from "../../helpers/runs-server";
import { callerFor, makePerson } from "../../helpers/test-context";

const head = { name: "capitals", title: "Capitals", metric: "squad" };
const item = (prompt: string) => JSON.stringify({ prompt, references: ["Lima"] });
const suite = (lines: readonly string[], change: object = {}) => ({
  "capitals/suite.json": JSON.stringify({ ...head, ...change }),
  "capitals/items.jsonl": lines.join("\n"),
});

const upload = ({ db, dataFolder, admin }: RunsServer, archive: Buffer) =>
  uploadSuite(db, { archive, dataFolder, actorId: admin.id });

const kept = async ({ dataFolder }: RunsServer) =>
  readdir(path.join(dataFolder, "artifacts", "suites")).catch(() => []);

/** Says of its first entry that it is. */
function encrypted(zip: Buffer): Buffer {
  zip[zip.indexOf("PK\x01\x02", 0, "latin1") + 8] = 1;
  return zip;
}

describe("an archive", () => {
  const files = suite([item("Peru?")]);
  it.each([
    ["tar", tarOf(files)],
    ["tar.gz", gzipSync(tarOf(files))],
    ["zip", zipOf(files)],
  ])("is read as %s", async (_, bytes) => {
    const read = await readArchive(bytes);
    expect(Object.fromEntries(read.map(({ name, bytes: held }) => [name, held.toString()]))).toEqual(files);
  });

  it("is refused where it is none, cut short or encrypted, and nothing of it is kept", async () => {
    await using server = await runsServer();
    const none = [
      Buffer.alloc(0),
      Buffer.from("hello ".repeat(200)),
      zipOf(files).subarray(0, 60),
      gzipSync(tarOf(files)).subarray(0, 40),
      tarOf(files).subarray(0, 600),
      encrypted(zipOf(files)),
    ];
    for (const bytes of none)
      await expect(upload(server, bytes)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    expect(await kept(server)).toEqual([]);
  });

  it("that unpacks to more than 64 MB is refused before it fills the memory", async () => {
    await expect(readArchive(gzipSync(Buffer.alloc(65 * 2 ** 20)))).rejects.toMatchObject({
      code: "TOO_LARGE",
    });
  });
});

describe("a suite", () => {
  it("is measured by its name: its worker fetches the very bytes, and of one name the newest", async () => {
    await using server = await runsServer();
    await upload(server, tarOf(suite([item("Peru?")])));
    const newer = suite([item("Peru?"), item("Its capital?")]);
    const { suiteId } = await upload(server, zipOf(newer));
    expect((await kept(server)).length).toBe(2);
    const listed = (await server.asAdmin.suites.list()).filter(({ upload: own }) => own);
    expect(listed.map(({ itemCount, upload: own }) => [itemCount, own?.isNewest])).toEqual([
      [2, true],
      [1, false],
    ]);
    const config = { suites: ["reading", "capitals"] };
    await server.newRun({ stage: "eval", datasets: [], config });
    const worker = await server.newWorker();
    worker.stages = ["eval"];
    const run = await worker.claim();
    expect(run).toMatchObject({ config: { suites: ["reading"] }, suites: ["capitals"] });
    const fetched = await worker.send("GET", `runs/${run.id}/suites/capitals/items.jsonl`);
    expect(await fetched.text()).toBe(newer["capitals/items.jsonl"]);

    await expect(server.asAdmin.suites.delete({ suiteId })).rejects.toThrow(
      "“capitals” stays: run 1 measured it.",
    );
    const [, older] = listed;
    await server.asAdmin.suites.delete({ suiteId: older?.upload?.id ?? "" });
    expect(await kept(server)).toEqual([suiteId]);
    await expect(
      server.newRun({ stage: "eval", datasets: [], config: { suites: ["rivers"] } }),
    ).rejects.toThrow("no suite “rivers” here");
  });

  it("with a fault is refused by file, line and field, and nothing of it is kept", async () => {
    await using server = await runsServer();
    const faults: [ReturnType<typeof suite>, RegExp][] = [
      [suite([item("Peru?"), '{"prompt": 3}']), /^items\.jsonl:2 prompt: .*; references: /],
      [suite([item("Peru?"), "oops"]), /^items\.jsonl:2 is not JSON/],
      [suite([item("Peru?")], { metric: "magic" }), /^suite\.json: metric: /],
      [suite([]), /^items\.jsonl: it has no items/],
      [suite([item("Peru?")], { name: "safety" }), /“safety” is Attune's own/],
      [suite([item("Peru?")], { name: "regression-cases" }), /Attune's own/],
    ];
    for (const [files, message] of faults)
      await expect(upload(server, tarOf(files))).rejects.toThrow(message);
    await expect(upload(server, tarOf({ "suite.json": "{}" }))).rejects.toThrow("there is no items.jsonl");
    expect(await kept(server)).toEqual([]);
  });

  it("that is here already is refused", async () => {
    await using server = await runsServer();
    await upload(server, tarOf(suite([item("Peru?")])));
    await expect(upload(server, zipOf(suite([item("Peru?")])))).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("is uploaded and deleted by admins alone; auditors see the list", async () => {
    await using server = await runsServer();
    const { suiteId } = await upload(server, tarOf(suite([item("Peru?")])));
    const forbidden = { code: "FORBIDDEN" };
    const auditor = callerFor(server.db, await makePerson(server.db, { grants: ["auditor"] }));
    expect((await auditor.suites.list()).map(({ name }) => name)).toContain("capitals");
    await expect(auditor.suites.delete({ suiteId })).rejects.toMatchObject(forbidden);
    const labeler = callerFor(server.db, await makePerson(server.db, { role: "labeler" }));
    await expect(labeler.suites.list()).rejects.toMatchObject(forbidden);
    const body = new Uint8Array(tarOf(suite([item("Cuba?")])));
    const nobody = await takeSuite(new Request("http://127.0.0.1:3000/api/suites", { method: "POST", body }));
    expect(nobody.status).toBe(401);
  });
});
