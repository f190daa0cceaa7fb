/** @file Regression cases: pinned, asked of a candidate by a worker, read by people, held to a gate, gone with their owner's words. */
import { eq } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { evaluationTranscripts, prompts, regressionCases } from "@/drizzle/schema";
import { figureWithInterval } from "@/model/eval/suites/suite-result";
import { writeChannel } from "@/server/domain/channels";
import { readLastEvaluation } from "@/server/domain/evaluation/suite-reports";
import { readEvidence } from "@/server/domain/promotion/evidence";
import { erasePersonPrompts } from "@/server/domain/prompts/erase-prompts";
import { addPrompts } from "../../helpers/batches";
import type { FakeWorker } from "../../helpers/fake-worker";
import { type RunsServer, runsServer, writeAdapter } from "../../helpers/runs-server";
import { callerFor, makePerson } from "../../helpers/test-context";
import { describeEachDatabase } from "../../helpers/test-database";

const byHand = (content: string) => ({
  from: "hand" as const,
  messages: [{ role: "user" as const, content }],
});
const contains = (text: string) => ({ kind: "check" as const, rules: [{ type: "contains" as const, text }] });
const eyes = { kind: "eyes" as const, lookFor: "Is it kind?" };

const pin = (server: RunsServer, title: string, expects: object, origin: object = byHand(title)) =>
  server.asAdmin.cases.pin({ title, origin, expects } as Parameters<typeof server.asAdmin.cases.pin>[0]);

async function fetchItems(worker: FakeWorker, runId: string, suite: string) {
  const response = await worker.send("GET", `runs/${runId}/suites/${suite}/items.jsonl`);
  return (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** As a worker does it: what it says to each item, by the last turn. */
async function evaluate(server: RunsServer, checkpointId: string, say: (asked: string) => string) {
  await server.asAdmin.runs.create({
    name: "Cases",
    stage: "eval",
    baseCheckpointId: checkpointId,
    config: { suites: [], precision: "int8" },
  });
  const worker = await server.newWorker();
  worker.stages = ["eval"];
  const run = await worker.claim();
  const transcripts = [];
  const suites = [];
  for (const suite of run.suites) {
    const items = await fetchItems(worker, run.id, suite);
    const name = suite === "regression-eyes" ? "answered" : "held";
    const scored = items.map(({ id, slice, messages, expects }) => {
      const response = say(messages.at(-1).content);
      const held = expects ? response.includes(expects.rules[0].text) : true;
      return { id, slice, messages, response, values: { [name]: Number(held) } };
    });
    for (const item of scored)
      transcripts.push({ suite, variant: "zeroShot", ...item, expected: "", isFinished: true });
    const results = scored.map(({ id, slice, values }) => ({ id, slice, values }));
    suites.push({
      ...{
        suite,
        title: suite,
        sha256: "a",
        metric: name === "held" ? "cases" : "eyes",
        variant: "zeroShot",
      },
      ...{ figures: [figureWithInterval(name, results, 1)], slices: [], behaviour: null, cutItems: 0 },
      items: results,
    });
  }
  const report = {
    ...{
      format: 1,
      checkpoint: checkpointId,
      name: "Any",
      precision: "int8",
      madeAt: "2026-01-01T00:00:00.000Z",
    },
    ...{ seed: 1, suites, parity: null },
  };
  const told = await worker.events(run, [
    { sequence: 1, type: "transcripts", from: 0, transcripts },
    { sequence: 2, type: "evaluation", report },
  ]);
  expect(told.status).toBe(200);
  await worker.end(run, "complete", { checkpointId: null, summary: {} });
  return run.id;
}

async function policies(server: RunsServer) {
  const { id: candidateId } = await writeAdapter(server, { name: "tuned" });
  const { baseCheckpointId: opponentId, db } = server;
  await writeChannel(db, { channel: "live", checkpointId: opponentId, actorId: null, reason: "test" });
  const gate = async (askerId: string | null = null) =>
    (await readEvidence(db, { candidateId, opponentId, askerId, without: [], precision: "int8" }))
      .regressions;
  return { candidateId, opponentId, gate };
}

describe("the gate", () => {
  it("asks that what the live policy passes is passed, case by case, and that somebody who does not ask has read the rest", async () => {
    await using server = await runsServer();
    const { candidateId, opponentId, gate } = await policies(server);
    expect(await gate()).toBeNull();
    const { number: kept } = await pin(server, "capital of Peru", contains("Lima"));
    const { number: lost } = await pin(server, "capital of Cuba", contains("Havana"));
    const { number: never } = await pin(server, "capital of Chad", contains("N’Djamena"));
    const { number: read, caseId } = await pin(server, "a sad person", eyes);
    const all = [kept, lost, never, read];
    expect(await gate()).toMatchObject({ cases: 4, notRun: all, failed: [] });
    await evaluate(server, opponentId, (asked) => (asked.includes("Chad") ? "no idea" : "Lima or Havana"));
    const runId = await evaluate(server, candidateId, (asked) =>
      asked.includes("sad") ? "Cheer up!" : "Lima",
    );
    expect(await gate()).toEqual({
      cases: 4,
      failed: [lost],
      failedByBoth: [never],
      bad: [],
      unread: [read],
      notRun: [],
    });
    // Cases have a page of their own: what other suites said is not hidden by them.
    expect(await readLastEvaluation(server.db, { checkpointId: candidateId })).toBeNull();
    await server.asOther.cases.judge({ caseId, runId, isGood: true });
    expect(await gate()).toMatchObject({ unread: [], bad: [] });
    const { history } = await server.asAdmin.cases.get({ caseId });
    const grace = history[0]?.verdicts[0];
    expect(grace).toMatchObject({ by: "Grace", isGood: true });
    // Nobody passes a case for their own request; to fail it is open to everybody.
    const asker = grace?.judgedBy ?? "";
    expect(await gate(asker)).toMatchObject({ unread: [read], bad: [] });
    await server.asAdmin.cases.judge({ caseId, runId, isGood: true });
    expect(await gate(asker)).toMatchObject({ unread: [], bad: [] });
    await server.asOther.cases.judge({ caseId, runId, isGood: false, note: "not kind" });
    expect(await gate(asker)).toMatchObject({ bad: [read] });
    // Other words need another look; the newest run is what counts.
    await evaluate(server, candidateId, (asked) =>
      asked.includes("sad") ? "I am sorry." : "Lima or Havana",
    );
    expect(await gate()).toMatchObject({ failed: [], bad: [], unread: [read] });
    await server.asAdmin.cases.archive({ caseId, isArchived: true });
    expect(await gate()).toMatchObject({ cases: 3, unread: [] });
  });

  it("looks at the served form alone", async () => {
    await using server = await runsServer();
    const { candidateId, opponentId } = await policies(server);
    await pin(server, "capital of Peru", contains("Lima"));
    await evaluate(server, candidateId, () => "Lima");
    const asInt4 = await readEvidence(server.db, { candidateId, opponentId, without: [], precision: "int4" });
    expect(asInt4.regressions?.notRun).toHaveLength(1);
  });
});

describe("a worker", () => {
  it("asks cases as chat would, with the server's system prompt where they have none; archived ones no more", async () => {
    await using server = await runsServer();
    await server.asAdmin.settings.change({ defaultSystemPrompt: "Be brief." });
    const system = { role: "system" as const, content: "Rhyme." };
    const own = { from: "hand" as const, messages: [system, { role: "user" as const, content: "Sing." }] };
    const { caseId } = await pin(server, "rhymes", contains("a"), own);
    await pin(server, "plain", contains("b"));
    const { caseId: away } = await pin(server, "away", contains("c"));
    await server.asAdmin.cases.archive({ caseId: away, isArchived: true });
    await server.newRun({ stage: "eval", datasets: [], config: { suites: ["reading"] } });
    const worker = await server.newWorker();
    worker.stages = ["eval"];
    const run = await worker.claim();
    expect(run).toMatchObject({ suites: ["regression-cases"], config: { suites: ["reading"] } });
    expect(run.config).not.toHaveProperty("cases");
    const items = await fetchItems(worker, run.id, "regression-cases");
    expect(items.map(({ messages }) => messages[0].content)).toEqual(["Rhyme.", "Be brief."]);
    expect(items[0]).toMatchObject({ id: caseId, slice: "check", expects: contains("a") });
    const other = await server.newWorker("Other");
    const refused = await other.send("GET", `runs/${run.id}/suites/regression-cases/items.jsonl`);
    expect(refused.status).toBe(404);
  });

  it("is given no suite that the run does not name, and none where cases are switched off", async () => {
    await using server = await runsServer();
    await pin(server, "plain", contains("b"));
    await server.newRun({ stage: "eval", datasets: [], config: { cases: false } });
    const worker = await server.newWorker();
    worker.stages = ["eval"];
    const run = await worker.claim();
    expect(run.suites).toEqual([]);
    for (const at of ["regression-cases/items.jsonl", "..%2F..%2Fsecrets/suite.json", "regression-cases/x"]) {
      expect((await worker.send("GET", `runs/${run.id}/suites/${at}`)).status).toBe(404);
    }
    const config = { suites: [], cases: false };
    await expect(server.newRun({ stage: "eval", datasets: [], config })).rejects.toThrow(/none is chosen/);
  });
});

describeEachDatabase("the words of a person", (home) => {
  it("are pinned from a prompt that may be used, hidden when they are withdrawn, and gone when they are erased", async () => {
    await using server = await runsServer({ home });
    const { candidateId, gate } = await policies(server);
    const owner = await makePerson(server.db);
    const [promptId = ""] = await addPrompts(server.db, ["my secret recipe"], {
      ownerId: owner.id,
      split: "test",
    });
    const { caseId, number } = await pin(server, "recipe", contains("salt"), { from: "prompt", promptId });
    const runId = await evaluate(server, candidateId, (asked) => `salt, as in ${asked}`);
    expect((await server.asAdmin.cases.get({ caseId })).history[0]?.response).toContain("secret");
    const suite = { runId, suite: "regression-cases", variant: "zeroShot" as const };
    expect((await server.asAdmin.suites.transcripts(suite)).transcripts).toHaveLength(1);

    await server.db.update(prompts).set({ status: "reported" }).where(eq(prompts.id, promptId));
    expect(await gate()).toBeNull();
    await expect(server.asAdmin.cases.get({ caseId })).rejects.toMatchObject({ code: "NOT_FOUND" });
    const { cases } = await server.asAdmin.cases.list({});
    expect(cases).toMatchObject([{ number, isWithdrawn: true, title: "withdrawn by its owner" }]);
    expect((await server.asAdmin.suites.transcripts(suite)).transcripts).toEqual([]);
    await expect(pin(server, "again", contains("a"), { from: "prompt", promptId })).rejects.toThrow(
      /may not be used/,
    );

    await server.db.update(prompts).set({ status: "ready" }).where(eq(prompts.id, promptId));
    expect(await gate()).toMatchObject({ cases: 1 });
    await server.db.transaction((tx) => erasePersonPrompts(tx, owner.id));
    expect(await server.db.select().from(regressionCases)).toEqual([]);
    expect(await server.db.select().from(evaluationTranscripts)).toEqual([]);
  });

  it("that were erased while a worker asked them are not stored again", async () => {
    await using server = await runsServer({ home });
    const { candidateId } = await policies(server);
    const owner = await makePerson(server.db);
    const [promptId = ""] = await addPrompts(server.db, ["my secret recipe"], { ownerId: owner.id });
    await pin(server, "recipe", contains("salt"), { from: "prompt", promptId });
    const { number } = await pin(server, "plain", contains("b"));
    await evaluate(server, candidateId, () => "b");
    const before = await server.db.select().from(evaluationTranscripts);
    expect(before).toHaveLength(2);
    await server.db.transaction((tx) => erasePersonPrompts(tx, owner.id));
    const worker = await server.newWorker("Late");
    worker.stages = ["eval"];
    await server.newRun({ stage: "eval", datasets: [], config: { suites: [] } });
    const run = await worker.claim();
    const transcripts = before.map(({ suite, variant, transcript }) => ({
      suite,
      variant,
      ...Object(transcript),
    }));
    const told = await worker.events(run, [{ sequence: 1, type: "transcripts", from: 0, transcripts }]);
    expect(told.status).toBe(200);
    const stored = await server.db
      .select({ number: regressionCases.number })
      .from(evaluationTranscripts)
      .innerJoin(regressionCases, eq(regressionCases.id, evaluationTranscripts.caseId))
      .where(eq(evaluationTranscripts.runId, run.id));
    expect(stored).toEqual([{ number }]);
  });
});

describe("pinning", () => {
  it("takes what a suite asked from its transcript, and not a case again", async () => {
    await using server = await runsServer();
    const { candidateId } = await policies(server);
    await pin(server, "plain", contains("b"));
    const runId = await evaluate(server, candidateId, () => "b");
    await expect(
      pin(server, "again", contains("a"), { from: "transcript", runId, position: 0 }),
    ).rejects.toThrow("a regression case already");
    await expect(
      pin(server, "none", contains("a"), { from: "transcript", runId, position: 9 }),
    ).rejects.toMatchObject({ code: "NOT_FOUND" });
    const transcript = { id: "1", slice: null, response: "3", expected: "4", values: {}, isFinished: true };
    const messages = [{ role: "user", content: "2 + 2?" }];
    const row = { suite: "sums", variant: "zeroShot", transcript: { ...transcript, messages } };
    await server.db.insert(evaluationTranscripts).values({ runId, position: 5, ...row });
    const { caseId } = await pin(server, "sums", contains("4"), { from: "transcript", runId, position: 5 });
    expect(await server.asAdmin.cases.get({ caseId })).toMatchObject({ source: "suite", messages });
  });

  it("refuses a conversation that does not end with a question, and a verdict on what a rule decides", async () => {
    await using server = await runsServer();
    const { candidateId } = await policies(server);
    const answered = [
      { role: "user", content: "Hello" },
      { role: "assistant", content: "Hi" },
    ];
    await expect(
      pin(server, "answered", contains("a"), { from: "hand", messages: answered }),
    ).rejects.toThrow(/last turn must be the user's/);
    const { caseId } = await pin(server, "plain", contains("b"));
    const runId = await evaluate(server, candidateId, () => "b");
    await expect(server.asAdmin.cases.judge({ caseId, runId, isGood: true })).rejects.toThrow(/by its rule/);
  });

  it("is for admins; auditors read and change nothing, others see nothing", async () => {
    await using server = await runsServer();
    const { candidateId } = await policies(server);
    const { caseId } = await pin(server, "kind", eyes);
    const runId = await evaluate(server, candidateId, () => "hello");
    const auditor = callerFor(server.db, await makePerson(server.db, { grants: ["auditor"] }));
    expect((await auditor.cases.get({ caseId })).history).toHaveLength(1);
    const forbidden = { code: "FORBIDDEN" };
    const expects = contains("a");
    await expect(auditor.cases.pin({ title: "t", origin: byHand("q"), expects })).rejects.toMatchObject(
      forbidden,
    );
    await expect(auditor.cases.judge({ caseId, runId, isGood: true })).rejects.toMatchObject(forbidden);
    await expect(auditor.cases.archive({ caseId, isArchived: true })).rejects.toMatchObject(forbidden);
    for (const role of ["user", "labeler"] as const) {
      const call = callerFor(server.db, await makePerson(server.db, { role }));
      await expect(call.cases.list({})).rejects.toMatchObject(forbidden);
      await expect(call.cases.get({ caseId })).rejects.toMatchObject(forbidden);
    }
  });
});
