/** @file The strip of the history: every reign is seen, the order kept, the whole filled. */
import { expect, it } from "vitest";
import { toReigns } from "@/app/(settings)/admin/promotion/reigns";

const row = (id: number, name: string, minute: number, channel = "live") => ({
  id,
  channel,
  checkpoint: { id: name, name },
  at: new Date(minute * 60_000),
});

it("fills the strip in order, and shows a reign of a minute among days", () => {
  const rows = [row(4, "b", 3001), row(3, "c", 3000), row(2, "x", 2000, "canary"), row(1, "a", 0)];
  const reigns = toReigns(rows, new Date(6000 * 60_000));
  expect(reigns.map(({ name }) => name)).toEqual(["a", "c", "b"]);
  expect(reigns[0]?.from).toBe(0);
  expect(reigns.at(-1)?.to).toBeCloseTo(1, 12);
  const [first, short, last] = reigns.map(({ from, to }) => to - from);
  expect(short).toBeGreaterThan(0.015);
  expect(first).toBeCloseTo(last ?? 0, 2);
});

it("is whole where everything happened in one moment", () => {
  const reigns = toReigns([row(2, "b", 0), row(1, "a", 0)], new Date(0));
  expect(reigns.map(({ to }) => to)).toEqual([0.5, 1]);
});
