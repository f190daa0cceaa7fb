/** @file Which split a prompt falls into: by whose words it holds, so that nobody's style is both trained on and tested with. */
import { createHash } from "node:crypto";

export const splits = ["train", "validation", "test"] as const;
export type Split = (typeof splits)[number];

/** Ends of the splits on a line of length 1: 80, 10 and 10 %. */
const ends = [
  { split: "train", end: 0.8 },
  { split: "validation", end: 0.9 },
] as const;

/**
 * The same for ever: a hash decides, not a draw.
 * @param group keeps prompts without an owner together; without one, each goes by its own text
 */
export function splitOf({
  ownerId,
  group,
  foldedText,
}: {
  ownerId: string | null;
  group: string | null;
  foldedText: string;
}): Split {
  const key = ownerId ? `owner ${ownerId}` : group ? `group ${group}` : `text ${foldedText}`;
  const place = createHash("sha256").update(key).digest().readUInt32BE(0) / 2 ** 32;
  return ends.find(({ end }) => place < end)?.split ?? "test";
}
