/** @file One task's page as a reducer: keys in, an order, its announcements and its draft out. */
import { describe, expect, test } from "vitest";
import {
  draftOf,
  neighbourOf,
  ratingOf,
  reduceTask,
  startTask,
  type TaskAction,
  type TaskState,
  walkOf,
} from "@/app/label/_console/task-state";
import type { TaskView } from "@/server/domain/labeling/task-schema";

function task(change: Partial<TaskView> = {}, count = 4): TaskView {
  return {
    claimId: "claim",
    taskId: "task",
    batch: { name: "Batch", task: "ranking", purpose: "work", hasRatings: false, deadline: null },
    prompt: { messages: [{ role: "user", content: "?" }], isSensitive: false },
    responses: [..."abcdefghi"].slice(0, count).map((id) => ({ id, text: `Text of ${id}` })),
    guidelinesVersion: 1,
    draft: null,
    draftVersion: 0,
    activeMs: 0,
    expiresAt: new Date(0),
    returnedComment: null,
    answers: [],
    sitting: null,
    ...change,
  };
}
const run = (state: TaskState, ...actions: TaskAction[]) => actions.reduce(reduceTask, state);
const place = (rank: number): TaskAction => ({ type: "place", rank });
const start = (count = 4) => startTask(task({}, count), "board");

describe("on the board", () => {
  test("nine digits rank nine: the focus goes on to the next that has no place", () => {
    const state = run(start(9), ...[1, 1, 2, 4, 1, 9, 3, 1, 5].map(place));
    expect(state.tiers).toEqual([["h"], ["e"], ["b"], ["g"], ["i"], ["c"], ["a"], ["d"], ["f"]]);
    expect(state.focusId).toBe("i");
    expect(state.said).toBe("I: rank 5 of 9.");
  });

  test("= and a number tie one that has no place; = alone ties a placed one with the one above", () => {
    const tying = run(start(), place(1), place(2), { type: "tie" });
    expect(tying).toMatchObject({ isTying: true, focusId: "c" });
    const tied = run(tying, place(1));
    expect(tied.tiers).toEqual([["a", "c"], ["b"]]);
    expect(tied.said).toBe("C: rank 1 of 2, tied with A.");
    expect(run(tied, { type: "focus", id: "b" }, { type: "tie" }).tiers).toEqual([["a", "c", "b"]]);
  });

  test("= with a single rank needs no number, and with none says so", () => {
    expect(run(start(), place(1), { type: "tie" }).tiers).toEqual([["a", "b"]]);
    const nothing = run(start(), { type: "tie" });
    expect(nothing).toMatchObject({ tiers: [], isTying: false, said: "Nothing is placed yet to tie with." });
  });

  test("undo goes back move by move, focus included, to the empty board", () => {
    const state = run(start(), place(1), place(1), { type: "undo" });
    expect(state).toMatchObject({ tiers: [["a"]], focusId: "b" });
    expect(run(state, { type: "undo" }, { type: "undo" })).toMatchObject({
      tiers: [],
      said: "Nothing to undo.",
    });
  });

  test("a move that changes nothing leaves nothing to undo", () => {
    expect(run(start(), place(1), { type: "focus", id: "a" }, { type: "nudge", by: -1 }).past).toHaveLength(
      1,
    );
  });

  test("j and k walk through what has no place by letter, then the order", () => {
    const state = run(start(), { type: "focus", id: "c" }, place(1));
    expect(walkOf(state)).toEqual(["a", "b", "d", "c"]);
    expect(run(state, { type: "focus", id: "a" }, { type: "move", by: -1 }).focusId).toBe("c");
  });

  test("a side-by-side choice places the focused one beside its neighbour", () => {
    const state = run(start(), place(1), place(2), { type: "compare", isOpen: true });
    expect(neighbourOf(state)).toBe("b");
    const better = run(state, { type: "judge", choice: "better" });
    expect(better).toMatchObject({ tiers: [["a"], ["c"], ["b"]], isComparing: false, focusId: "d" });
    const other = run(state, { type: "compareWith", id: "a" }, { type: "judge", choice: "tie" });
    expect(other.tiers).toEqual([["a", "c"], ["b"]]);
  });

  test("side by side, j and k turn over the second one only", () => {
    const state = run(start(), { type: "compare", isOpen: true }, { type: "move", by: 1 });
    expect(state.focusId).toBe("a");
    expect(neighbourOf(state)).toBe("c");
  });
});

describe("guided", () => {
  const guided = startTask(task(), "guided");

  test("the first needs no choice; each choice narrows; all are placed at the end", () => {
    expect(guided).toMatchObject({ tiers: [["a"]], focusId: "b" });
    const state = run(
      guided,
      { type: "judge", choice: "better" },
      { type: "judge", choice: "tie" },
      { type: "judge", choice: "worse" },
    );
    // b > a; c ties with the middle of [b, a], which is a; d is worse than a.
    expect(state.tiers).toEqual([["b"], ["a", "c"], ["d"]]);
    expect(state.insertion).toBeNull();
  });

  test("undo takes back one choice, within an insertion too", () => {
    const one = run(guided, { type: "judge", choice: "better" });
    const two = run(one, { type: "judge", choice: "worse" }, { type: "undo" });
    expect(two).toMatchObject({ tiers: one.tiers, insertion: one.insertion });
  });

  test("the order can be corrected on the board and gone on with", () => {
    const state = run(
      guided,
      { type: "judge", choice: "better" },
      { type: "setMode", mode: "board" },
      { type: "focus", id: "a" },
      { type: "nudge", by: -1 },
      { type: "setMode", mode: "guided" },
    );
    expect(state).toMatchObject({ tiers: [["a"], ["b"]], insertion: { id: "c", low: 0, high: 2 } });
  });
});

describe("ratings", () => {
  const rated = task({ batch: { ...task().batch, hasRatings: true } });

  test("a number rates, the same number takes it back, a letter toggles a flag", () => {
    const state = run(startTask(rated, "board"), { type: "rate", value: 6 });
    expect(ratingOf(state, "a").overall).toBe(6);
    expect(ratingOf(run(state, { type: "rate", value: 6 }), "a").overall).toBeNull();
    const flagged = run(
      state,
      { type: "toggleFlag", flag: "opinion" },
      { type: "toggleFlag", flag: "sexual" },
    );
    expect(ratingOf(flagged, "a").flags).toEqual(["opinion", "sexual"]);
    expect(ratingOf(run(flagged, { type: "toggleFlag", flag: "opinion" }), "a").flags).toEqual(["sexual"]);
  });

  test("numbers go to the chosen row", () => {
    const state = run(
      startTask(rated, "board"),
      { type: "moveScale", by: 1 },
      { type: "rate", value: 3 },
      { type: "moveScale", by: -1 },
      { type: "moveScale", by: -1 },
      { type: "rate", value: 5 },
    );
    expect(ratingOf(state, "a")).toMatchObject({ helpful: 3, overall: 5, honest: null });
  });
});

test("pairwise: both bad is a tie of which none is acceptable", () => {
  const pair = startTask(task({ batch: { ...task().batch, task: "pairwise" } }, 2), "guided");
  expect(pair.mode).toBe("pairwise");
  const bad = run(pair, { type: "judgePair", choice: "bothBad" });
  expect(bad).toMatchObject({ tiers: [["a", "b"]], noneAcceptable: true });
  expect(run(bad, { type: "judgePair", choice: "worse" })).toMatchObject({
    tiers: [["b"], ["a"]],
    noneAcceptable: false,
  });
});

test("a draft holds all that another machine needs to go on", () => {
  const state = run(start(), place(1), { type: "rate", value: 4 }, { type: "toggleNoneAcceptable" });
  const resumed = startTask(task({ draft: draftOf(state) }), "guided");
  expect(resumed).toMatchObject({
    tiers: state.tiers,
    ratings: state.ratings,
    noneAcceptable: true,
    mode: "board",
    step: "rank",
    focusId: "b",
  });
});

test("a draft that names a response which is gone leaves it out", () => {
  const draft = draftOf(run(start(), place(1), place(2)));
  const resumed = startTask(task({ draft, responses: [{ id: "b", text: "" }] }), "board");
  expect(resumed.tiers).toEqual([["b"]]);
});

test("guided ranking goes on in the middle of an insertion, unless the order is another one now", () => {
  const placed = startTask(
    task({ draft: { ...draftOf(start()), mode: "guided", tiers: [["a"], ["b"], ["c"]] } }, 5),
    "guided",
  );
  const state = run(placed, { type: "judge", choice: "better" });
  expect(state.insertion).toEqual({ id: "d", low: 0, high: 1 });
  const draft = draftOf(state);
  expect(startTask(task({ draft }, 5), "guided")).toMatchObject({
    insertion: state.insertion,
    tiers: state.tiers,
    focusId: "d",
  });
  const resumed = run(startTask(task({ draft }, 5), "guided"), { type: "judge", choice: "worse" });
  expect(resumed.tiers).toEqual([["a"], ["d"], ["b"], ["c"]]);
  // On the board nothing is being inserted.
  expect(startTask(task({ draft: { ...draft, mode: "board" } }, 5), "guided").insertion).toBeNull();
  const stale = { ...draft, insertion: { id: "d", low: 2, high: 4 } };
  expect(startTask(task({ draft: stale }, 5), "guided").insertion).toEqual({ id: "d", low: 0, high: 3 });
  const gone = { ...draft, insertion: { id: "z", low: 0, high: 1 } };
  expect(startTask(task({ draft: gone }, 5), "guided").insertion?.id).toBe("d");
});
