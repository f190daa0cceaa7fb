/** @file Records written in any layout, as a stream of text. */

import { type LayoutName, layouts } from "./layouts";
import { ItemFault, type RankedPrompt } from "./ranked-prompt";

export type WriteRankingsOptions = {
  /** A record, by its number from 0, that the layout cannot hold; it is left out. */
  onFault?: (fault: ItemFault, index: number) => void;
};

/** JSONL, or one JSON array where the layout's program reads that. What a layout cannot hold is in its `leavesOut`. */
export async function* writeRankings(
  records: AsyncIterable<RankedPrompt> | Iterable<RankedPrompt>,
  layout: LayoutName,
  { onFault }: WriteRankingsOptions = {},
): AsyncGenerator<string> {
  const { container, write } = layouts[layout];
  const isArray = container === "array";
  let index = 0;
  let written = 0;
  if (isArray) yield "[\n";
  for await (const record of records) {
    for (const item of write(record)) {
      if (item instanceof ItemFault) {
        onFault?.(item, index);
        continue;
      }
      const text = JSON.stringify(item);
      yield isArray ? `${written === 0 ? "" : ",\n"}${text}` : `${text}\n`;
      written++;
    }
    index++;
  }
  if (isArray) yield "\n]\n";
}
