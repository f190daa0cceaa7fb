/** @file What the page of a PPO run makes of its metrics and episodes, and how long a run is expected to take. */
import { describe, expect, it } from "vitest";
import type { Curve } from "@/app/(settings)/admin/runs/_charts/curve-data";
import { columnTitle, describeCharts, drawChart } from "@/app/(settings)/admin/runs/[runId]/describe-charts";
import { measureTokens, sortEpisodes } from "@/app/(settings)/admin/runs/[runId]/episode-order";
import { bestOfPoints, placePath, pointsOf } from "@/app/(settings)/admin/runs/[runId]/kl-points";
import { estimatePpo } from "@/app/(settings)/admin/runs/new/estimate-ppo";

function curve(values: Record<number, number | null>): Curve {
  const steps = Object.keys(values).map(Number);
  const means = Object.values(values);
  return { steps, means, mins: means, maxs: means, seconds: steps.map(() => null) };
}

describe("charts of PPO", () => {
  const names = ["loss", "gradientNorm", "score", "heldOutScore", "klK1", "klK3", "part.rewardModel"];
  const curves = new Map(
    [...names, "part.form", "clipFrac", "lr", "generationSeconds"].map((name) => [name, curve({ 1: 1 })]),
  );
  const charts = describeCharts(curves);

  it("have the score first and what sums several up nowhere; the rest is for whoever looks closer", () => {
    expect(charts.filter(({ isMinor }) => !isMinor).map(({ title, names: of }) => [title, of])).toEqual([
      ["Score", ["score", "heldOutScore"]],
      ["Parts of the score", ["part.form", "part.rewardModel"]],
      ["KL from the reference", ["klK3", "klK1"]],
    ]);
    expect(charts.filter(({ isMinor }) => isMinor).map(({ title }) => title)).toEqual([
      "Clipped",
      "Learning rate",
    ]);
  });

  it("name each line, and each column of the table by itself", () => {
    const [score, parts, kl] = charts;
    if (!score || !parts || !kl) throw new Error("A chart is missing.");
    expect(drawChart(score, curves).lines.map(({ label }) => label)).toEqual([
      "Training prompts",
      "Held-out prompts",
    ]);
    expect(drawChart(parts, curves).lines.map(({ label }) => label)).toEqual(["form", "Reward model"]);
    expect(columnTitle(kl, "klK1")).toBe("KL from the reference: k1");
    const titles = charts.flatMap((chart) => chart.names.map((name) => columnTitle(chart, name)));
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe("score against √KL", () => {
  it("has a point where both are known, and none below a root of 0", () => {
    const points = pointsOf(curve({ 1: -0.1, 2: 4, 3: null, 4: 9 }), curve({ 1: 0.5, 2: 0.7, 3: 0.8 }));
    expect(points).toEqual([
      { step: 1, root: 0, score: 0.5 },
      { step: 2, root: 2, score: 0.7 },
    ]);
  });

  it("has best of n beside it, in the order of n, which is no chart of its own", () => {
    const curves = new Map([
      ["bestOf16", curve({ 0: 3 })],
      ["bestOf1", curve({ 0: 1 })],
      ["bestOf2", curve({ 0: 2, 1: null })],
      ["klK3", curve({ 1: 1 })],
    ]);
    expect(bestOfPoints(curves)).toEqual([
      { n: 1, root: 0, score: 1 },
      { n: 2, root: expect.closeTo(Math.sqrt(Math.log(2) - 0.5), 12), score: 2 },
      { n: 16, root: expect.closeTo(Math.sqrt(Math.log(16) - 15 / 16), 12), score: 3 },
    ]);
    expect(describeCharts(curves).flatMap(({ names }) => names)).toEqual(["klK3"]);
  });

  it("lies inside its drawing, higher scores above", () => {
    const space = { width: 100, height: 50, edge: { left: 10, right: 5, top: 5, bottom: 10 } };
    const line = [0, 1, 2].map((step) => ({ step, root: step, score: step / 2 }));
    const { place, xTicks, yTicks } = placePath(line, space);
    const placed = place(line);
    expect(placed.map(({ y }) => y).toSorted((a, b) => b - a)).toEqual(placed.map(({ y }) => y));
    for (const { x, y } of placed) expect(x >= 10 && x <= 95 && y >= 5 && y <= 40).toBe(true);
    for (const ticks of [xTicks, yTicks]) expect(ticks.length).toBeGreaterThanOrEqual(3);
  });

  it("of one point only is drawn without a division by nothing", () => {
    const space = { width: 100, height: 50, edge: { left: 10, right: 5, top: 5, bottom: 10 } };
    const points = [{ step: 1, root: 0, score: 3 }];
    const placed = placePath(points, space).place(points);
    expect(placed.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))).toBe(true);
  });
});

describe("episodes", () => {
  const episode = (place: number, reward: number, kl: number, tokenKl: number[]) => ({
    ...{ place, reward, kl, tokenKl, prompt: "p", response: "r", score: 0, parts: {}, isEnded: true },
    tokens: tokenKl.map(() => "t"),
    tokenValues: tokenKl.map((_, i) => i),
  });
  const episodes = [episode(0, 1, 5, [1]), episode(1, 3, 2, [1, 2, 3]), episode(2, 3, 9, [-4, 2])];
  const places = (order: Parameters<typeof sortEpisodes>[1]) =>
    sortEpisodes(episodes, order).map(({ place }) => place);

  it("are sorted by reward, KL and length, both ways, and stay in place where equal", () => {
    expect(places("rewardDown")).toEqual([1, 2, 0]);
    expect(places("rewardUp")).toEqual([0, 1, 2]);
    expect(places("klDown")).toEqual([2, 0, 1]);
    expect(places("klUp")).toEqual([1, 0, 2]);
    expect(places("lengthDown")).toEqual([1, 2, 0]);
    expect(places("lengthUp")).toEqual([0, 2, 1]);
  });

  it("show a token by its share of the largest, with its sign", () => {
    const [, , last] = episodes;
    if (!last) throw new Error("There is none.");
    expect(measureTokens(last, "kl").map(({ share }) => share)).toEqual([-1, 0.5]);
    expect(measureTokens(last, "value").map(({ share, kl }) => [share, kl])).toEqual([
      [0, -4],
      [1, 2],
    ]);
  });
});

describe("the expected time of PPO", () => {
  const values = { iterations: 40, episodesPerIteration: 64, responseTokens: 48, innerEpochs: 1 };
  const input = {
    values,
    baseCheckpointId: "own",
    parameters: 135e6,
    rewardModels: 1,
    promptTokens: 30,
    earlier: [],
    parametersOf: (id: string) => ({ own: 135e6, other: 1.35e9 })[id] ?? null,
  };
  const timing = (number: number, base: string, factor: number) => ({
    runId: `run-${number}`,
    number,
    baseCheckpointId: base,
    rewardModels: 1,
    config: values,
    promptBytes: 120,
    responseTokens: 24,
    seconds: { generation: 8, scoring: 2, reference: 2, value: 2, update: 10 * factor },
  });

  it("rests on the model's size until a run was timed here", () => {
    const bySize = estimatePpo(input);
    expect(bySize).toMatchObject({ restsOn: { kind: "size" }, seeds: 1 });
    const twice = estimatePpo({ ...input, parameters: 270e6 });
    // All but a second of each round grows with the model.
    expect((twice.secondsPerIteration - 1) / (bySize.secondsPerIteration - 1)).toBeCloseTo(2, 10);
  });

  it("is what the phases took in runs from the same base, the median of them, where the settings are theirs", () => {
    const earlier = [timing(1, "own", 1), timing(2, "own", 3), timing(3, "own", 1.5), timing(4, "other", 9)];
    const timed = estimatePpo({ ...input, earlier });
    expect(timed.restsOn).toEqual({ kind: "base", runs: 3 });
    expect(timed.secondsPerIteration).toBeCloseTo(8 + 2 + 2 + 2 + 15, 9);
    expect(timed.seconds).toBeGreaterThan(40 * 29);
    const more = estimatePpo({ ...input, earlier, values: { ...values, innerEpochs: 2 } });
    // Only the updates grow with them.
    expect(more.secondsPerIteration - timed.secondsPerIteration).toBeGreaterThan(10);
    expect(more.secondsPerIteration - timed.secondsPerIteration).toBeLessThan(15);
  });

  it("is reckoned from runs of other bases by their size, and not from those whose size is not known", () => {
    const [ofOther, ofOwn] = [[timing(4, "other", 1)], [timing(1, "own", 1)]].map((earlier) =>
      estimatePpo({ ...input, earlier }),
    );
    expect(ofOther?.restsOn).toEqual({ kind: "others", runs: 1 });
    // The other one is ten times as large, and took as long.
    expect(ofOther?.secondsPerIteration).toBeLessThan((ofOwn?.secondsPerIteration ?? 0) / 4);
    expect(estimatePpo({ ...input, earlier: [timing(5, "gone", 1)] }).restsOn).toEqual({ kind: "size" });
  });

  it("grows with rounds, episodes, inner epochs and reward models", () => {
    const of = (change: object, models = 1) =>
      estimatePpo({ ...input, values: { ...values, ...change }, rewardModels: models }).seconds;
    const least = of({});
    for (const more of [
      of({ iterations: 80 }),
      of({ episodesPerIteration: 128 }),
      of({ innerEpochs: 2 }),
      of({}, 3),
    ])
      expect(more).toBeGreaterThan(least);
    expect(of({ bestOfSamples: null })).toBeLessThan(least);
  });
});
