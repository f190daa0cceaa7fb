/** @file Conversations by age. */
import { expect, test } from "vitest";
import { groupByAge } from "@/app/(chat)/_list/conversation-groups";

test("puts conversations under today, the last 7 days and earlier, in order, without empty groups", () => {
  const midnight = new Date(2026, 10, 23);
  const hoursBefore = (hours: number) => ({ updatedAt: new Date(midnight.getTime() - hours * 3_600_000) });
  const [now, justToday, yesterday, sixDaysAgo, older] = [-5, 0, 1, 6 * 24, 6 * 24 + 1].map(hoursBefore);
  const all = [now, justToday, yesterday, sixDaysAgo, older].filter((one) => one !== undefined);

  expect(groupByAge(all, midnight)).toEqual([
    { title: "Today", conversations: [now, justToday] },
    { title: "Last 7 days", conversations: [yesterday, sixDaysAgo] },
    { title: "Earlier", conversations: [older] },
  ]);
  expect(groupByAge(all.slice(4), midnight).map(({ title }) => title)).toEqual(["Earlier"]);
});
