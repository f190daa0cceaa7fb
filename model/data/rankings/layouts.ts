/** @file Every layout that ranked data is read from and written to, in the order in which a file is tried for them. */
import { arenaBattles } from "./arena-battles";
import { argilla } from "./argilla";
import { kWay } from "./k-way";
import { labelStudio } from "./label-studio";
import type { JsonItem, Layout } from "./layout";
import { oasstTrees } from "./oasst-trees";
import { hhTranscripts, trlPairs } from "./preference-pairs";

export const layouts = {
  arena: arenaBattles,
  argilla,
  labelStudio,
  oasst: oasstTrees,
  kWay,
  // Transcripts are chosen and rejected as well, so they come first.
  hh: hhTranscripts,
  trl: trlPairs,
} as const satisfies Record<string, Layout>;

export type LayoutName = keyof typeof layouts;
export const layoutNames = Object.keys(layouts) as LayoutName[];

export function layoutOf(item: JsonItem): LayoutName | null {
  return layoutNames.find((name) => layouts[name].matches(item)) ?? null;
}
