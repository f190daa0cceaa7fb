/** @file Which lines of a chart are the edges of a band. */
import type { Line } from "./uplot-chart";

/** Two edges that follow each other, the upper one first, as indices of their columns. */
export function bandsOf(lines: readonly Line[]): [number, number][] {
  return lines.flatMap((line, i): [number, number][] =>
    line.isBandEdge && lines[i + 1]?.isBandEdge && !lines[i - 1]?.isBandEdge ? [[i, i + 1]] : [],
  );
}
