/** @file What rounding the weights changes: divergence of the served forms from float32 on real text. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { type Checkpoint, openCheckpoint } from "@/model/checkpoint/checkpoint";
import { loadModel } from "@/model/runtime/generator";
import type { TransformerSlots } from "@/model/runtime/transformer-slots";
import { projectRoot } from "@/server/project-root";
import { defaultModelFolder } from "@/tests/helpers/default-model";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";

const forms = ["int8", "int4"] as const;
type Form = (typeof forms)[number];
const texts = ["LICENSE", "README.md"];

export type QuantisationBench = {
  /** Tokens compared. */
  n: number;
  model: string;
  texts: string[];
  /** Mean KL(fp32 || form) per token, in nats. */
  kl: Record<Form, number>;
  /** Share of tokens after which both think the same one most likely. */
  sameBest: Record<Form, number>;
  /** Mean negative log-likelihood of the text's own next token, in nats. */
  nll: Record<Form | "fp32", number>;
};

export default async function run({ quick }: { quick: boolean }): Promise<QuantisationBench> {
  await using folder = await temporaryFolder();
  using checkpoint = await openCheckpoint(defaultModelFolder());
  const load = (precision: Form | "fp32") =>
    loadModel(checkpoint, null, { precision, threads: 2, slots: 1, cacheFolder: folder.path });
  await using exact = await load("fp32");
  await using int8 = await load("int8");
  await using int4 = await load("int4");
  const rounded = { int8, int4 };

  const totals = { n: 0, nll: 0, int8: emptyTotal(), int4: emptyTotal() };
  for (const ids of await readTexts(checkpoint, quick ? 128 : 1024)) {
    for (const model of [exact, int8, int4]) model.truncate(0, 0);
    for (let at = 0; at < ids.length; at += exact.chunkTokens) {
      const chunk = ids.slice(at, at + exact.chunkTokens);
      const expected = (await exact.score(0, chunk)).map(logSoftmax);
      const next = chunk.map((_, i) => ids[at + i + 1] ?? null);
      totals.n += chunk.length;
      totals.nll += next.reduce<number>(
        (sum, id, i) => sum - (id === null ? 0 : (expected[i]?.[id] ?? 0)),
        0,
      );
      for (const form of forms) await addChunk(totals[form], rounded[form], { chunk, next, expected });
    }
  }
  const mean = (key: keyof Total) => ({
    int8: totals.int8[key] / totals.n,
    int4: totals.int4[key] / totals.n,
  });
  return {
    n: totals.n,
    model: checkpoint.manifest.name,
    texts,
    kl: mean("kl"),
    sameBest: mean("sameBest"),
    nll: { fp32: totals.nll / totals.n, ...mean("nll") },
  };
}

type Total = { kl: number; sameBest: number; nll: number };
const emptyTotal = (): Total => ({ kl: 0, sameBest: 0, nll: 0 });

async function readTexts({ tokenizer }: Checkpoint, tokens: number): Promise<number[][]> {
  const contents = await Promise.all(texts.map((name) => readFile(path.join(projectRoot, name), "utf8")));
  return contents.map((text) => tokenizer.encode(text).slice(0, tokens));
}

async function addChunk(
  total: Total,
  model: TransformerSlots,
  { chunk, next, expected }: { chunk: number[]; next: (number | null)[]; expected: Float32Array[] },
): Promise<void> {
  const rows = await model.score(0, chunk);
  for (const [i, p] of expected.entries()) {
    const q = logSoftmax(rows[i] ?? new Float32Array());
    total.kl += p.reduce((sum, logp, id) => sum + Math.exp(logp) * (logp - (q[id] ?? 0)), 0);
    total.sameBest += Number(argMax(p) === argMax(q));
    const id = next[i] ?? null;
    total.nll -= id === null ? 0 : (q[id] ?? 0);
  }
}

function logSoftmax(logits: Float32Array): Float32Array {
  const best = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const normaliser = best + Math.log(logits.reduce((sum, value) => sum + Math.exp(value - best), 0));
  return logits.map((value) => value - normaliser);
}

function argMax(values: Float32Array): number {
  return values.reduce((best, value, id) => (value > (values[best] ?? 0) ? id : best), 0);
}
