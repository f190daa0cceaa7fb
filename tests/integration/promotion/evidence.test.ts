/** @file What the gates read: judgments of labelers, suites of both policies in one form, parity; and what stays unmeasured. */
import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { evaluations, runs } from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import { figureWithInterval, type SuiteResult } from "@/model/eval/suites/suite-result";
import type { Db } from "@/server/db/db";
import { readEvidence } from "@/server/domain/promotion/evidence";
import { answerAll, judgeAll, makeEvaluation } from "../../helpers/evaluating";
import { makeLabeler } from "../../helpers/labeling";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { testDatabase } from "../../helpers/test-database";

function suiteOf(name: string, values: readonly number[], slice: (i: number) => string | null): SuiteResult {
  const items = values.map((value, i) => ({ id: `${i}`, slice: slice(i), values: { right: value } }));
  return {
    suite: name,
    title: name,
    sha256: "a",
    metric: "refusal",
    variant: "zeroShot",
    figures: [figureWithInterval("right", items, 1)],
    slices: [],
    behaviour: null,
    cutItems: 0,
    items,
  };
}

/** Of forty items so many right; of safety those of one slice come first. */
const share = (right: number) => Array.from({ length: 40 }, (_, i) => Number(i < right));
const safetySlice = (i: number) => (i < 20 ? "to be refused" : "to be answered");

const precision = "int8";
let number = 0;
async function report(db: Db, checkpointId: string, change: Partial<EvalReport>) {
  const runId = randomUUID();
  await db.insert(runs).values({
    id: runId,
    number: ++number,
    name: "Evaluation",
    stage: "eval",
    config: {},
    baseCheckpointId: checkpointId,
  });
  const told: EvalReport = {
    format: 1,
    checkpoint: checkpointId,
    name: "any",
    precision: "int8",
    madeAt: "2026-01-01T00:00:00.000Z",
    seed: 1,
    suites: [],
    parity: null,
    ...change,
  };
  await db.insert(evaluations).values({ runId, checkpointId, report: told });
}

async function judged(preference: (i: number) => "candidate" | "opponent") {
  const [t, folder] = [await testDatabase(), await temporaryFolder()];
  const texts = Array.from({ length: 30 }, (_, i) => `Question ${i}`);
  const pair = await makeEvaluation(t.db, { dataFolder: folder.path, texts });
  await answerAll(t.db, pair, (prompt, policy) => `${policy}: ${prompt}`);
  const labeler = await makeLabeler(t.db);
  await judgeAll(t.db, labeler.id, (left, _right, prompt) =>
    left.startsWith(preference(Number(prompt.split(" ")[1]))) ? "left" : "right",
  );
  return {
    db: t.db,
    labelerId: labeler.id,
    candidateId: pair.candidateId,
    opponentId: pair.opponentId,
    async [Symbol.asyncDispose]() {
      await t[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

it("the win rate is that of labelers, without those who ask or approve", async () => {
  await using w = await judged((i) => (i % 10 === 0 ? "opponent" : "candidate"));
  const evidence = await readEvidence(w.db, { ...w, without: [], precision });
  expect(evidence.winRate).toMatchObject({ estimate: 0.9, judgments: 30, judges: 1 });
  expect(evidence.winRate?.low).toBeGreaterThan(0.5);
  expect(evidence).toMatchObject({ heldOut: null, tax: null, flags: null, parity: null, regressions: null });
  expect((await readEvidence(w.db, { ...w, without: [w.labelerId], precision })).winRate).toBeNull();
  expect((await readEvidence(w.db, { ...w, opponentId: null, without: [], precision })).winRate).toBeNull();
});

it("tax is what the candidate lost on the same items, flags what it does wrong more often", async () => {
  await using w = await judged(() => "candidate");
  const { db, candidateId, opponentId } = w;
  // Of the live policy all are right; the candidate answers five harmful requests and fails ten sums.
  const ofLive = [suiteOf("sums", share(40), () => null), suiteOf("safety", share(40), safetySlice)];
  const values = Array.from({ length: 40 }, (_, i) => Number(i >= 5));
  const ofCandidate = [suiteOf("sums", share(30), () => null), suiteOf("safety", values, safetySlice)];
  await report(db, opponentId, { suites: ofLive });
  expect((await readEvidence(db, { ...w, without: [], precision })).tax).toBeNull();
  const parity = { precision: "int8", responses: 4, tokens: 80, meanGap: 0.01, largestGap: 0.2 } as const;
  await report(db, candidateId, { suites: ofCandidate, parity: { ...parity, effectKept: 0.97 } });
  const evidence = await readEvidence(db, { ...w, without: [], precision });
  expect(evidence.tax).toMatchObject([{ suite: "sums, asked alone", delta: { estimate: -0.25 } }]);
  expect(evidence.flags).toMatchObject([
    { flag: "harmful requests answered", rise: { estimate: 0.25 } },
    { flag: "harmless requests refused", rise: { estimate: 0 } },
  ]);
  const [harmful] = evidence.flags ?? [];
  expect(harmful?.rise.low).toBeLessThan(0.25);
  expect(harmful?.rise.high).toBeGreaterThan(0.25);
  expect(evidence.parity).toMatchObject({ difference: 0.01, effectKept: 0.97 });
});

it("toxic answers to the probes are a flag, and no tax", async () => {
  await using w = await judged(() => "candidate");
  const sums = suiteOf("sums", share(40), () => null);
  await report(w.db, w.opponentId, { suites: [sums, suiteOf("toxicity", share(40), () => null)] });
  await report(w.db, w.candidateId, { suites: [sums, suiteOf("toxicity", share(30), () => null)] });
  expect(await readEvidence(w.db, { ...w, without: [], precision })).toMatchObject({
    tax: [{ suite: "sums, asked alone" }],
    flags: [{ flag: "toxic answers", rise: { estimate: 0.25 } }],
  });
});

it("figures in two forms are not held against each other", async () => {
  await using w = await judged(() => "candidate");
  const suites = [suiteOf("sums", share(40), () => null)];
  await report(w.db, w.opponentId, { suites });
  await report(w.db, w.candidateId, { suites, precision: "int4" });
  expect(await readEvidence(w.db, { ...w, without: [], precision })).toMatchObject({
    tax: null,
    flags: null,
  });
  const asInt4 = await readEvidence(w.db, { ...w, without: [], precision: "int4" });
  expect(asInt4).toMatchObject({ tax: null, flags: null });
});

it("a later look at a few items, or in another form, hides no fuller result", async () => {
  await using w = await judged(() => "candidate");
  await report(w.db, w.opponentId, { suites: [suiteOf("sums", share(40), () => null)] });
  await report(w.db, w.candidateId, { suites: [suiteOf("sums", share(30), () => null)] });
  const taxOf = async () => (await readEvidence(w.db, { ...w, without: [], precision })).tax;
  const before = await taxOf();
  expect(before).toMatchObject([{ delta: { estimate: -0.25 } }]);
  await report(w.db, w.candidateId, { suites: [suiteOf("sums", share(40).slice(0, 10), () => null)] });
  await report(w.db, w.candidateId, { suites: [suiteOf("sums", share(40), () => null)], precision: "fp32" });
  expect(await taxOf()).toEqual(before);
  // One as full that is newer counts.
  await report(w.db, w.candidateId, { suites: [suiteOf("sums", share(40), () => null)] });
  expect(await taxOf()).toMatchObject([{ delta: { estimate: 0 } }]);
});

it.each([
  ["left out", []],
  ["measured on fewer items", [suiteOf("reading", share(40).slice(0, 10), () => null)]],
  ["measured by other files", [{ ...suiteOf("reading", share(40), () => null), sha256: "b" }]],
])("there is no tax while a suite of the opponent is %s, which is named", async (_how, reading) => {
  await using w = await judged(() => "candidate");
  const sums = suiteOf("sums", share(40), () => null);
  const suites = [sums, suiteOf("reading", share(40), () => null)];
  await report(w.db, w.opponentId, { suites });
  await report(w.db, w.candidateId, { suites: [sums, ...reading] });
  const evidence = await readEvidence(w.db, { ...w, without: [], precision });
  expect(evidence).toMatchObject({ tax: null, missingSuites: ["reading, asked alone"] });
  await report(w.db, w.candidateId, { suites });
  const whole = await readEvidence(w.db, { ...w, without: [], precision });
  expect(whole).toMatchObject({ missingSuites: [], tax: [{ delta: { estimate: 0 } }, {}] });
});
