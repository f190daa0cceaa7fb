/** @file The solved head against scipy (fixtures/make_head.py), and what its choice of strength rests on. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { minimise, NotSettledError } from "@/model/optim/minimise";
import { normalTensor } from "@/model/random/normal";
import { type HeadExamples, headStrengths, NoPairsError, solveHead } from "@/model/train/solve-head";

const pair = z.object({ chosen: z.number(), rejected: z.number(), weight: z.number() });
const fixture = z
  .object({
    width: z.number(),
    states: z.array(z.array(z.number())),
    prompts: z.array(z.object({ from: z.number(), to: z.number(), pairs: z.array(pair) })),
    solved: z.array(z.object({ strength: z.number(), head: z.array(z.number()) })),
  })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures/head.json"), "utf8")));

const examples: HeadExamples = {
  states: Float32Array.from(fixture.states.flat()),
  width: fixture.width,
  prompts: fixture.prompts,
};

describe("solveHead", () => {
  test.each(fixture.solved)("solves for scipy's head at strength $strength", ({ strength, head }) => {
    const solved = solveHead(examples, { seed: 1, strengths: [strength] });
    expect(solved.strength).toBe(strength);
    for (const [j, expected] of head.entries()) {
      // Relative: the numbers of a state differ by 10^4, and the head is returned in single precision.
      expect(Math.abs((solved.head[j] ?? Number.NaN) / expected - 1)).toBeLessThan(1e-4);
    }
  });

  test("takes of all strengths the one with the least loss on prompts held out, and the same each time", () => {
    const first = solveHead(examples, { seed: 5 });
    expect(first.tried.map(({ strength }) => strength)).toEqual([...headStrengths]);
    expect(first.tried.every(({ loss }) => loss >= lossOf(first))).toBe(true);
    expect(solveHead(examples, { seed: 5 })).toEqual(first);
  });

  test("leaves nearly nothing of a head where ranks say nothing", () => {
    const width = 16;
    const prompts = Array.from({ length: 40 }, (_, i) => ({
      from: 2 * i,
      to: 2 * i + 2,
      pairs: [{ chosen: 2 * i, rejected: 2 * i + 1, weight: 1 }],
    }));
    const states = normalTensor(4, 0, 80 * width, 1);
    const { strength, tried } = solveHead({ states, width, prompts }, { seed: 1 });
    expect(strength).toBeGreaterThanOrEqual(0.3);
    const weakest = tried.at(-1)?.loss ?? 0;
    expect(weakest).toBeGreaterThan(Math.log(2));
  });

  test("says so when nothing is ranked above anything", () => {
    const prompts = examples.prompts.map((prompt) => ({ ...prompt, pairs: [] }));
    expect(() => solveHead({ ...examples, prompts }, { seed: 1 })).toThrow(NoPairsError);
    const states = new Float32Array(examples.states.length).fill(1);
    expect(() => solveHead({ ...examples, states }, { seed: 1 })).toThrow(/are the same/);
  });
});

function lossOf({ strength, tried }: ReturnType<typeof solveHead>): number {
  return tried.find((each) => each.strength === strength)?.loss ?? Number.NaN;
}

describe("minimise", () => {
  test("finds the minimum of a badly scaled bowl", () => {
    const scales = [1e-3, 1, 50, 1e4];
    const found = minimise((x, gradient) => {
      let value = 0;
      for (const [j, scale] of scales.entries()) {
        const off = (x[j] ?? 0) - j;
        value += (scale / 2) * off ** 2;
        gradient[j] = scale * off;
      }
      return value;
    }, new Float64Array(4));
    // The slope left is at most 1e-8, so along the flattest side 1e-5 may be missing.
    for (const [j, x] of found.entries()) expect(Math.abs(x - j)).toBeLessThan(2e-5);
  });

  test("gives up on a slope that never ends, and on what is not a number", () => {
    const endless = (_: Float64Array, gradient: Float64Array) => gradient.fill(1)[0] ?? 0;
    expect(() => minimise(endless, new Float64Array(1), { mostRounds: 5 })).toThrow(NotSettledError);
    const broken = (_: Float64Array, gradient: Float64Array) => gradient.fill(Number.NaN)[0] ?? 0;
    expect(() => minimise(broken, new Float64Array(1))).toThrow(NotSettledError);
  });
});
