/** @file Active time leaves out idle minutes and hidden pages. */
import { expect, test } from "vitest";
import { activeMsAt, addSign, formatClock, hide, idleAfterMs } from "@/app/label/_console/active-time";

const fresh = { activeMs: 5_000, lastSignAt: null };

test("nothing counts before the first sign, and what was there is kept", () => {
  expect(activeMsAt(fresh, 1_000_000)).toBe(5_000);
});

test("time between signs counts, and so does the time since the last", () => {
  const time = addSign(addSign(fresh, 10_000), 40_000);
  expect(time.activeMs).toBe(35_000);
  expect(activeMsAt(time, 41_000)).toBe(36_000);
});

test("after a minute without a sign the clock stands", () => {
  const time = addSign(fresh, 0);
  expect(activeMsAt(time, 10 * 60_000)).toBe(5_000 + idleAfterMs);
  expect(addSign(time, 10 * 60_000).activeMs).toBe(5_000 + idleAfterMs);
});

test("a hidden page counts nothing until something is done again", () => {
  const time = hide(addSign(fresh, 0), 3_000);
  expect(activeMsAt(time, 30_000)).toBe(8_000);
  expect(activeMsAt(addSign(time, 30_000), 31_000)).toBe(9_000);
});

test("a clock that was set back takes nothing away", () => {
  expect(activeMsAt(addSign(fresh, 10_000), 5_000)).toBe(5_000);
});

test.each([
  [0, "0:00"],
  [252_999, "4:12"],
  [3_852_000, "1:04:12"],
])("%i ms are shown as %s", (ms, text) => expect(formatClock(ms)).toBe(text));
