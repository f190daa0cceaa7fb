/** @file Text metrics against sacreBLEU, rouge-score and the official rules of SQuAD and DROP (fixtures/make_metric_fixtures.py). */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { z } from "zod";
import { bleuCounts, bleuOf } from "@/model/eval/metrics/bleu";
import { scoreDropAnswer } from "@/model/eval/metrics/drop";
import { rougeL } from "@/model/eval/metrics/rouge";
import { scoreSquadAnswer } from "@/model/eval/metrics/squad";

const scored = { answer: z.string(), exactMatch: z.number(), f1: z.number() };
const fixture = z
  .object({
    squad: z.array(z.object({ ...scored, references: z.array(z.string()) })),
    drop: z.array(z.object({ ...scored, references: z.array(z.array(z.string())) })),
    bleu: z.array(
      z.object({
        responses: z.array(z.string()),
        references: z.array(z.array(z.string())),
        corpus: z.number(),
        sentences: z.array(z.number()),
      }),
    ),
    rouge: z.array(z.object({ response: z.string(), references: z.array(z.string()), f: z.number() })),
  })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures", "metrics.json"), "utf8")));

test("short answers score as by SQuAD's rules", () => {
  for (const { answer, references, ...known } of fixture.squad) {
    const { exactMatch, f1 } = scoreSquadAnswer(answer, references);
    expect({ answer, references, exactMatch }).toEqual({ answer, references, exactMatch: known.exactMatch });
    expect(f1).toBeCloseTo(known.f1, 9);
  }
});

test("short answers score as by DROP's rules", () => {
  for (const { answer, references, ...known } of fixture.drop)
    expect({ answer, references, ...scoreDropAnswer(answer, references) }).toEqual({
      answer,
      references,
      ...known,
    });
});

test("BLEU of corpora and of sentences is sacreBLEU's", () => {
  for (const { responses, references, corpus, sentences } of fixture.bleu) {
    const counts = responses.map((response, i) => bleuCounts(response, references[i] ?? []));
    expect(bleuOf(counts)).toBeCloseTo(corpus, 6);
    for (const [i, each] of counts.entries())
      expect(bleuOf([each], { effectiveOrder: true })).toBeCloseTo(sentences[i] ?? Number.NaN, 6);
  }
});

test("a sentence drawn twice counts twice", () => {
  const { responses, references } = fixture.bleu[2] ?? { responses: [], references: [] };
  const counts = responses.map((response, i) => bleuCounts(response, references[i] ?? []));
  const doubled = bleuOf([...counts, ...counts.slice(0, 2)]);
  expect(bleuOf(counts, { weights: counts.map((_, i) => (i < 2 ? 2 : 1)) })).toBeCloseTo(doubled, 9);
});

test("ROUGE-L is rouge-score's", () => {
  for (const { response, references, f } of fixture.rouge)
    expect(rougeL(response, references)).toBeCloseTo(f, 9);
});

/** What OpenAI published with the paper (automatic-eval-samples): 60 items each. Not part of the project. */
const published = path.resolve("../shared/data/instructgpt_eval/squadv2.jsonl.gz");

test.skipIf(!existsSync(published))(
  "on InstructGPT's published samples SQuAD 2.0 has the paper's order at 175B",
  () => {
    const rows = gunzipSync(readFileSync(published)).toString().trim().split("\n");
    const items = rows.map((row) => publishedItem.parse(JSON.parse(row)));
    for (const way of ["zeroshot", "fewshot"]) {
      const [gpt = 0, ptx = 0, ppo = 0] = ["gpt-175b", "ppo-ptx-175b", "ppo-noptx-175b"].map((model) =>
        meanF1(items, model, way),
      );
      expect(gpt).toBeGreaterThan(ptx);
      expect(ptx).toBeGreaterThan(ppo);
    }
  },
);

const publishedItem = z.object({
  references: z.array(z.string()),
  samples: z.array(z.object({ model_type: z.string(), prompt_type: z.string(), sample: z.string() })),
});

function meanF1(items: readonly z.infer<typeof publishedItem>[], model: string, way: string): number {
  const read = (text: string) => (/^not in background\.?$/i.test(text.trim()) ? "" : text);
  const scores = items.map(({ references, samples }) => {
    const said = samples.find((each) => each.model_type === model && each.prompt_type === way);
    return scoreSquadAnswer(read(said?.sample ?? ""), references.map(read)).f1;
  });
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
