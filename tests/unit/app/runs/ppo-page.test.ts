/** @file What the page of a PPO run makes of its metrics and episodes, and how long a run is expected to take. */
import { describe, expect, it } from "vitest";
import type { Curve } from "@/app/(settings)/admin/runs/_charts/curve-data";
import { columnTitle, describeCharts, drawChart } from "@/app/(settings)/admin/runs/[runId]/describe-charts";
import { measureTokens, sortEpisodes } from "@/app/(settings)/admin/runs/[runId]/episode-order";
import { placePath, pointsOf } from "@/app/(settings)/admin/runs/[runId]/kl-points";
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

  it("lies inside its drawing, higher scores above", () => {
    const space = { width: 100, height: 50, edge: { left: 10, right: 5, top: 5, bottom: 10 } };
    const line = [0, 1, 2].map((step) => ({ step, root: step, score: step / 2 }));
    const { lines, xTicks, yTicks } = placePath([line, []], space);
    const [placed = []] = lines;
    expect(placed.map(({ y }) => y).toSorted((a, b) => b - a)).toEqual(placed.map(({ y }) => y));
    for (const { x, y } of placed) expect(x >= 10 && x <= 95 && y >= 5 && y <= 40).toBe(true);
    for (const ticks of [xTicks, yTicks]) expect(ticks.length).toBeGreaterThanOrEqual(3);
  });

  it("of one point only is drawn without a division by nothing", () => {
    const space = { width: 100, height: 50, edge: { left: 10, right: 5, top: 5, bottom: 10 } };
    const { lines } = placePath([[{ step: 1, root: 0, score: 3 }]], space);
    expect(lines[0]?.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))).toBe(true);
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
  const input = { values, parameters: 135e6, rewardModels: 1, promptTokens: 30, earlierSpeeds: [] };

  it("rests on the model's size until a run from this base was timed", () => {
    const bySize = estimatePpo(input);
    expect(bySize.restsOn).toBe("size");
    const twice = estimatePpo({ ...input, parameters: 270e6 });
    // All but a second of each round grows with the model.
    expect((twice.secondsPerIteration - 1) / (bySize.secondsPerIteration - 1)).toBeCloseTo(2, 10);
    const timed = estimatePpo({ ...input, earlierSpeeds: [64, 200, 10] });
    expect(timed).toMatchObject({ restsOn: "earlier", secondsPerIteration: 48 });
    expect(timed.seconds).toBeGreaterThan(40 * 48);
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
  });
});
