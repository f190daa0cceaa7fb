import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSampler, drawFor, type TokenDraw } from "@/model/runtime/sampling";

const plain = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };

function sample(logits: number[], options: Partial<TokenDraw> & { draw: number }) {
  const row = Float32Array.from(logits);
  return createSampler(row.length)({
    logits: row,
    sampling: plain,
    seenTokens: [],
    topLogprobs: 0,
    ...options,
  });
}

/** The ids reached by many evenly spread draws, with their shares. */
function shares(logits: number[], sampling: Partial<TokenDraw["sampling"]>, seenTokens: number[] = []) {
  const draws = 20_000;
  const counts = new Map<number, number>();
  const sampler = createSampler(logits.length);
  const row = Float32Array.from(logits);
  for (let i = 0; i < draws; i++) {
    const { tokenId } = sampler({
      logits: row,
      sampling: { ...plain, ...sampling },
      seenTokens,
      draw: (i + 0.5) / draws,
      topLogprobs: 0,
    });
    counts.set(tokenId, (counts.get(tokenId) ?? 0) + 1 / draws);
  }
  return counts;
}

function softmax(logits: number[]): number[] {
  const best = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - best));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

const logitRow = fc.array(fc.double({ min: -12, max: 12, noNaN: true }), { minLength: 2, maxLength: 40 });

describe("sampling", () => {
  it.each([0.5, 1, 1.7])("draws each token as often as the softmax at temperature %s says", (temperature) => {
    const logits = [2, 1, 0.5, -1, -3];
    const expected = softmax(logits.map((logit) => logit / temperature));
    const found = shares(logits, { temperature });
    // The draws are a grid of 20,000 points: a share is off by less than two of them.
    for (const [id, p] of expected.entries()) expect(Math.abs((found.get(id) ?? 0) - p)).toBeLessThan(1e-4);
  });

  it("draws the same distribution through the sorted path", () => {
    const logits = [2, 1, 0.5, -1, -3];
    const expected = softmax(logits);
    const found = shares(logits, { topK: 5 });
    for (const [id, p] of expected.entries()) expect(Math.abs((found.get(id) ?? 0) - p)).toBeLessThan(1e-4);
  });

  it("takes the most likely token at temperature 0, the first of equals", () => {
    expect(sample([1, 3, 3, 2], { draw: 0.9, sampling: { ...plain, temperature: 0 } }).tokenId).toBe(1);
  });

  it("top-k keeps exactly the k most likely", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 3, maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (logits, topK, draw) => {
          const kept = [...logits].sort((a, b) => b - a).slice(0, topK);
          const { tokenId } = sample(logits, { draw, sampling: { ...plain, topK } });
          expect(kept).toContain(logits[tokenId]);
        },
      ),
    );
  });

  it("top-p keeps the smallest set of the most likely tokens that holds the mass", () => {
    // Shares 0.5, 0.25, 0.15, 0.1.
    const logits = [0.5, 0.25, 0.15, 0.1].map(Math.log);
    expect([...shares(logits, { topP: 0.7 }).keys()].sort()).toEqual([0, 1]);
    expect([...shares(logits, { topP: 0.76 }).keys()].sort()).toEqual([0, 1, 2]);
    expect([...shares(logits, { topP: 1e-9 }).keys()]).toEqual([0]);
  });

  it("top-p counts mass after top-k", () => {
    const logits = [0.5, 0.25, 0.15, 0.1].map(Math.log);
    // Of {0.5, 0.25} renormalised, 0.5 is two thirds.
    expect([...shares(logits, { topK: 2, topP: 0.66 }).keys()]).toEqual([0]);
  });

  it("min-p keeps tokens with at least that share of the most likely one's probability", () => {
    const logits = [0.5, 0.26, 0.14, 0.1].map(Math.log);
    for (const topK of [0, 4]) expect([...shares(logits, { minP: 0.5, topK }).keys()].sort()).toEqual([0, 1]);
  });

  it("the repetition penalty divides positive and multiplies negative logits of seen tokens", () => {
    const expected = softmax([2 / 1.5, 1, -1 * 1.5]);
    const found = shares([2, 1, -1], { repetitionPenalty: 1.5 }, [0, 2, 0]);
    for (const [id, p] of expected.entries()) expect(Math.abs((found.get(id) ?? 0) - p)).toBeLessThan(1e-4);
  });

  it("reports log-probs of the model's own distribution, whatever the sampling", () => {
    fc.assert(
      fc.property(logitRow, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (logits, draw) => {
        const row = [...Float32Array.from(logits)];
        const { tokenId, logprob, top } = sample(row, {
          draw,
          sampling: { temperature: 0.3, topK: 5, topP: 0.9, minP: 0.01, repetitionPenalty: 1.3 },
          seenTokens: [0],
          topLogprobs: 3,
        });
        const expected = softmax(row).map(Math.log);
        expect(logprob).toBeCloseTo(expected[tokenId] ?? Number.NaN, 4);
        const best = [...expected].sort((a, b) => b - a).slice(0, 3);
        expect(top).toHaveLength(Math.min(3, row.length));
        for (const [i, { logprob: found }] of top.entries())
          expect(found).toBeCloseTo(best[i] ?? Number.NaN, 4);
      }),
    );
  });

  it("never draws an impossible token, at either end of the draw", () => {
    const logits = [Number.NEGATIVE_INFINITY, 0, Number.NEGATIVE_INFINITY, 1, Number.NEGATIVE_INFINITY];
    for (const draw of [0, 1 - 2 ** -53]) {
      for (const sampling of [plain, { ...plain, topP: 0.99 }, { ...plain, topK: 4 }]) {
        expect([1, 3]).toContain(sample(logits, { draw, sampling }).tokenId);
      }
    }
  });

  it("leaves the logits as they are", () => {
    const row = Float32Array.from([3, 1, -2]);
    createSampler(3)({
      logits: row,
      sampling: { ...plain, temperature: 0.5, repetitionPenalty: 2 },
      seenTokens: [0, 1],
      draw: 0.3,
      topLogprobs: 2,
    });
    expect([...row]).toEqual([3, 1, -2]);
  });

  it("gives the same draw for the same seed and position, and others elsewhere", () => {
    expect(drawFor(7, 3)).toBe(drawFor(7, 3));
    expect(new Set([drawFor(7, 3), drawFor(7, 4), drawFor(8, 3)]).size).toBe(3);
  });
});
