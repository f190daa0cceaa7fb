/** @file Branches read out of a tree of messages. */
import { describe, expect, test } from "vitest";
import { newestLeaf, newestLeafBelow, pathTo, putMessages, siblingsOf } from "@/app/_lib/message-tree";

const message = (id: string, parentId: string | null, second: number) => ({
  id,
  parentId,
  createdAt: new Date(Date.UTC(2026, 0, 1, 0, 0, second)),
});

// q1 ── a1 ── q2 ── a2
//    └─ a1b ─ q3        (regenerated)
// q1b ─ a3              (edited)
const tree = [
  message("q1", null, 1),
  message("a1", "q1", 2),
  message("q2", "a1", 3),
  message("a2", "q2", 4),
  message("a1b", "q1", 5),
  message("q3", "a1b", 6),
  message("q1b", null, 7),
  message("a3", "q1b", 8),
];
const at = (id: string) => {
  const found = tree.find((one) => one.id === id);
  if (!found) throw new Error(`no message ${id}`);
  return found;
};
const ids = (messages: { id: string }[]) => messages.map(({ id }) => id);

describe("message tree", () => {
  test("reads the branch from the first message to the leaf", () => {
    expect(ids(pathTo(tree, "a2"))).toEqual(["q1", "a1", "q2", "a2"]);
    expect(ids(pathTo(tree, "q3"))).toEqual(["q1", "a1b", "q3"]);
  });

  test("gives no branch for an unknown leaf or none", () => {
    expect(pathTo(tree, "gone")).toEqual([]);
    expect(pathTo(tree, null)).toEqual([]);
  });

  test("finds edits and regenerations as siblings, oldest first", () => {
    expect(ids(siblingsOf(tree, at("a1b")))).toEqual(["a1", "a1b"]);
    expect(ids(siblingsOf([...tree].reverse(), at("q1")))).toEqual(["q1", "q1b"]);
  });

  test("follows the newest children down from a sibling", () => {
    expect(newestLeafBelow(tree, "q1")).toBe("q3");
    expect(newestLeafBelow(tree, "a1")).toBe("a2");
    expect(newestLeaf(tree)).toBe("a3");
  });

  test("goes on with the draft that was chosen, or the first where nothing was said, unless the other is asked for", () => {
    const drafts = [
      message("q", null, 1),
      message("d1", "q", 2),
      { ...message("d2", "q", 3), isLeftBehind: true },
    ];
    expect(newestLeafBelow(drafts, "q")).toBe("d1");
    expect(newestLeafBelow(drafts, "d2")).toBe("d2");
  });

  test("keeps the newer feedback on an answer, whichever arrives last", () => {
    const answer = (feedbackSecond: number | null) => ({
      ...message("a1", "q1", 2),
      feedback: feedbackSecond === null ? null : { updatedAt: new Date(feedbackSecond * 1000) },
    });
    for (const [before, now, kept] of [
      [5, null, 5],
      [5, 4, 5],
      [5, 6, 6],
      [null, 6, 6],
      [null, null, null],
    ] as const) {
      expect(putMessages([answer(before)], [answer(now)])).toEqual([answer(kept)]);
    }
    expect(putMessages([], [answer(3)])).toEqual([answer(3)]);
  });

  test("ends on a cycle instead of hanging", () => {
    const cycle = [message("x", "y", 1), message("y", "x", 2)];
    expect(ids(pathTo(cycle, "x"))).toEqual(["y", "x"]);
    expect(["x", "y"]).toContain(newestLeafBelow(cycle, "x"));
  });
});
