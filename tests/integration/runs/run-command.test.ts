/** @file `attune run`, `attune worker` and `attune gc` against a running server, as processes of their own. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, it } from "vitest";
import { type AttuneResult, runAttune, startAttune } from "../../helpers/attune-command";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { tinyModelFolder } from "../../helpers/tiny-model";
import { trainerServer } from "../../helpers/trainer-server";

const lines = Array.from({ length: 40 }, (_, i) =>
  JSON.stringify({ prompt: `What comes after ${i}?`, response: `After ${i} comes ${i + 1}.` }),
);
const settings = ["epochs=2", "rowLength=64", "rowsPerBatch=2", "lora.rank=2", "sampleTokens=4", "threads=1"];
const set = settings.flatMap((setting) => ["--set", setting]);

function answerOf({ code, lines: output, errors }: AttuneResult) {
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  return JSON.parse(output.at(-1) ?? "");
}

async function writeData(folder: string, text: string): Promise<string> {
  const file = path.join(folder, "data.jsonl");
  await writeFile(file, text);
  return file;
}

it("starts, follows, copies and cancels runs, and says which checkpoints may go", async () => {
  await using folder = await temporaryFolder();
  await using server = await trainerServer();
  process.env.ATTUNE_DATA = server.dataFolder;
  const data = await writeData(folder.path, `${lines.join("\n")}\n`);
  const start = ["run", "start", "--stage", "sft", "--data", data, "--model", tinyModelFolder, ...set];

  const baseless = await runAttune(["run", "start", "--stage", "sft", "--data", data]);
  expect([baseless.code, baseless.errors]).toEqual([2, expect.stringContaining("name it with --model")]);
  // Nothing was uploaded for a run that could not be.
  expect(await server.admin.call.datasets.list.query()).toEqual([]);

  const misspelt = await runAttune([...start, "--set", "epocs=3"]);
  expect(misspelt.code).toBe(1);
  expect(misspelt.errors).toContain("epocs is no setting. Did you mean epochs?");

  const { run } = answerOf(await runAttune([...start, "--name", "Counting", "--json"]));
  const followed = await runAttune(["run", "watch", String(run.number)]);
  expect(followed.code).toBe(0);
  expect(followed.lines.at(-1)).toMatch(/^1 · Counting · sft · finished · step (\d+)\/\1$/);
  expect(followed.lines.some((line) => /^step 1 {2}loss /.test(line))).toBe(true);

  const copy = answerOf(await runAttune(["run", "clone", "1", "--set", "epochs=500", "--json"])).run;
  expect(copy).toMatchObject({ number: 2, clonedFrom: { number: 1 } });
  await server.until(copy.id, ({ status }) => status === "running");
  answerOf(await runAttune(["run", "cancel", "2", "--json"]));
  await server.until(copy.id, ({ status }) => status === "cancelled");
  const again = await runAttune(["run", "pause", "2"]);
  expect([again.code, again.errors]).toEqual([1, expect.stringContaining("cannot be paused")]);
  const { runs } = answerOf(await runAttune(["run", "list", "--json"]));
  expect(runs.map(({ status }: { status: string }) => status)).toEqual(["cancelled", "finished"]);

  const plan = answerOf(await runAttune(["gc", "--dry-run", "--json"]));
  const going = plan.items.filter(({ action }: { action: string }) => action === "remove");
  expect(going.length).toBeGreaterThan(0);
  expect(going.every(({ reason }: { reason: string }) => reason !== "")).toBe(true);
  expect(plan.removed).toBeNull();
  const done = answerOf(await runAttune(["gc", "--json"]));
  expect(done.removed).toHaveLength(going.length);
  expect(answerOf(await runAttune(["gc", "--dry-run", "--json"])).removedBytes).toBe(0);
}, 240_000);

it("names the line of data that does not fit, and starts nothing", async () => {
  await using folder = await temporaryFolder();
  await using server = await trainerServer();
  process.env.ATTUNE_DATA = server.dataFolder;
  const data = await writeData(folder.path, `${lines[0]}\n{"prompt": "and the answer?"}\n`);
  const result = await runAttune([
    "run",
    "start",
    "--stage",
    "sft",
    "--data",
    data,
    "--model",
    tinyModelFolder,
  ]);
  expect([result.code, result.errors]).toEqual([1, expect.stringMatching(/line 2 /)]);
  expect((await server.admin.call.runs.list.query({})).runs).toEqual([]);
});

it("trains for a server on another machine, and gives the run back when it is stopped", async () => {
  await using folder = await temporaryFolder();
  await using server = await trainerServer({ env: { ATTUNE_TRAINER: "off" } });
  process.env.ATTUNE_DATA = server.dataFolder;
  const data = await writeData(folder.path, lines.join("\n"));
  const start = ["run", "start", "--stage", "sft", "--data", data, "--model", tinyModelFolder, ...set];
  const { run } = answerOf(await runAttune([...start, "--set", "epochs=60", "--json"]));
  const { token } = await server.admin.call.workers.create.mutate({ name: "Elsewhere" });
  const worker = [
    "worker",
    "--url",
    server.line.url,
    "--token",
    token,
    "--folder",
    path.join(folder.path, "work"),
  ];

  const wrong = await runAttune([...worker.slice(0, 4), `${token.slice(0, -4)}xxxx`]);
  expect([wrong.code, wrong.errors]).toEqual([1, expect.stringContaining("missing, wrong or revoked")]);

  const first = startAttune(worker);
  const { step } = await server.until(run.id, (now) => now.step > 10);
  first.kill("SIGINT");
  expect(await first.ended).toMatchObject({ code: 0, errors: "" });
  const given = await server.read(run.id);
  expect(given).toMatchObject({ status: "queued", attempts: 0 });
  expect(given.checkpoints[0]?.step).toBeGreaterThanOrEqual(step);

  const second = startAttune(worker);
  const finished = await server.until(run.id, ({ status }) => status === "finished");
  second.kill("SIGINT");
  await second.ended;
  expect(finished.step).toBe(finished.totalSteps);
}, 240_000);
