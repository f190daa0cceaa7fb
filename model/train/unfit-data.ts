/** @file What a stage says about its data: how much there is, what was left out, and when it refuses. */
import type { LineProblem } from "../data/read-lines";

export type DataEvent = {
  type: "data";
  training: number;
  validation: number;
  leftOut: readonly LineProblem[];
};

/** The data cannot be used as it is; the message names the first lines at fault. */
export class UnfitDataError extends Error {
  override readonly name = "UnfitDataError";
}

export function refuseIf(isStrict: boolean, problems: readonly LineProblem[]): void {
  if (isStrict && problems.length > 0) throw new UnfitDataError(listProblems(problems));
}

export function listProblems(problems: readonly LineProblem[]): string {
  const shown = problems.slice(0, 5).map(({ file, line, reason }) => `${file}:${line} ${reason}`);
  const rest = problems.length - shown.length;
  return [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join("\n");
}
