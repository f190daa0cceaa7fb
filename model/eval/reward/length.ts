/** @file How far a reward model only measures length: the commonest way in which one is fooled. */
import type { BootstrapOptions } from "../bootstrap";
import { accuracyOf, type Figure, longerWinsOf, marginOverLength } from "./accuracy";
import type { ScoredPair, ScoredPrompt } from "./scored-prompt";

export type LengthReport = {
  /** Pearson's correlation of score and tokens over all responses; null where either does not vary. */
  correlation: number | null;
  /** The same with each prompt's mean taken away: long questions get long answers, which is no fault. */
  withinPrompts: number | null;
  longerWins: Figure;
  /** Accuracy less that of "the longer wins", paired. */
  margin: Figure;
  /** Accuracy where people chose the shorter one: what length cannot explain. */
  whereShorterChosen: Figure;
};

export function lengthReport(
  prompts: readonly ScoredPrompt[],
  pairs: readonly ScoredPair[],
  options: BootstrapOptions,
): LengthReport {
  const points = prompts.map(({ responses }) =>
    responses.map(({ score, tokens }) => ({ x: tokens, y: score })),
  );
  return {
    correlation: pearson(points.flat()),
    withinPrompts: pearson(points.flatMap(centre)),
    longerWins: longerWinsOf(pairs, options),
    margin: marginOverLength(pairs, options),
    whereShorterChosen: accuracyOf(
      pairs.filter(({ tokenMargin }) => tokenMargin < 0),
      options,
    ),
  };
}

type Point = { x: number; y: number };

function centre(points: readonly Point[]): Point[] {
  const mean = meanPoint(points);
  return points.map(({ x, y }) => ({ x: x - mean.x, y: y - mean.y }));
}

function meanPoint(points: readonly Point[]): Point {
  const sum = points.reduce((all, { x, y }) => ({ x: all.x + x, y: all.y + y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

/** r = sum (x - mx)(y - my) / sqrt(sum (x - mx)^2 sum (y - my)^2). @returns null where either does not vary */
export function pearson(points: readonly Point[]): number | null {
  let [xy, xx, yy] = [0, 0, 0];
  for (const { x, y } of centre(points)) {
    xy += x * y;
    xx += x * x;
    yy += y * y;
  }
  const scale = Math.sqrt(xx) * Math.sqrt(yy);
  return scale === 0 ? null : Math.max(-1, Math.min(1, xy / scale));
}
