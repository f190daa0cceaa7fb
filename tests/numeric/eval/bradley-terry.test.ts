/** @file Bradley-Terry strengths against a published fit. */
import { expect, test } from "vitest";
import { fitBradleyTerry } from "@/model/eval/bradley-terry";

/**
 * Games of the American League East in 1987, 13 between any two: Agresti, "Categorical Data Analysis" (2002), table 10.10.
 * Estimates are those of R's BradleyTerry2 (Turner & Firth 2012, Journal of Statistical Software 48(9), section 3), without
 * home advantage, Baltimore at 0.
 */
const teams = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"];
const wins = [
  [0, 7, 9, 7, 7, 9, 11],
  [6, 0, 7, 5, 11, 9, 9],
  [4, 6, 0, 7, 7, 8, 12],
  [6, 8, 6, 0, 6, 7, 10],
  [6, 2, 6, 7, 0, 7, 12],
  [4, 4, 5, 6, 6, 0, 6],
  [2, 4, 1, 3, 1, 7, 0],
];
const published = [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0];

test("strengths are the published ones", () => {
  // A prior of next to nothing: the published fit has none.
  const strengths = fitBradleyTerry(wins, 1e-6);
  const baltimore = strengths.at(-1) ?? Number.NaN;
  for (const [at, team] of teams.entries()) {
    expect([team, (strengths[at] ?? 0) - baltimore]).toEqual([team, expect.closeTo(published[at] ?? 0, 4)]);
  }
});
