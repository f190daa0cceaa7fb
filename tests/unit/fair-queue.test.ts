/** @file Turns are fair between people, chat goes before background, positions tell the truth. */
import { describe, expect, it } from "vitest";
import { FairQueue, type Priority, type Turn } from "@/server/generation/fair-queue";

function queueOf(slots: number) {
  const queue = new FairQueue();
  queue.setSlots(slots);
  const granted: string[] = [];
  const positions = new Map<string, number | null>();
  const enter = (name: string, priority: Priority = "chat"): Turn =>
    queue.enter(name.split("-")[0] ?? name, priority, (position) => {
      positions.set(name, position);
      if (position === null) granted.push(name);
    });
  return { queue, granted, positions, enter };
}

describe("fair queue", () => {
  it("grants at once while slots are free", () => {
    const { granted, enter } = queueOf(2);
    enter("ann-1");
    enter("ann-2");
    enter("ann-3");
    expect(granted).toEqual(["ann-1", "ann-2"]);
  });

  it("lets a person with one request pass one with fifty", () => {
    const { queue, granted, positions, enter } = queueOf(2);
    const turns = Array.from({ length: 50 }, (_, index) => enter(`ann-${index}`));
    enter("bob-1");
    expect(positions.get("bob-1")).toBe(1);
    const [first] = turns;
    if (first) queue.leave(first);
    expect(granted.at(-1)).toBe("bob-1");
  });

  it("alternates between people who both wait", () => {
    const { queue, granted, enter } = queueOf(1);
    const turns = new Map<string, Turn>();
    for (const name of ["ann-1", "ann-2", "ann-3", "bob-1", "bob-2", "bob-3"]) turns.set(name, enter(name));
    for (let served = 0; served < 6; served++) {
      const turn = turns.get(granted[served] ?? "");
      if (turn) queue.leave(turn);
    }
    expect(granted).toEqual(["ann-1", "bob-1", "ann-2", "bob-2", "ann-3", "bob-3"]);
  });

  it("numbers those who wait from 1 and moves them up", () => {
    const { queue, positions, enter } = queueOf(1);
    const first = enter("ann-1");
    enter("bob-1");
    enter("cid-1");
    expect([...positions.values()]).toEqual([null, 1, 2]);
    queue.leave(first);
    expect([...positions.values()]).toEqual([null, null, 1]);
  });

  it("holds background back while a chat waits, and never makes a chat wait for background", () => {
    const { queue, granted, enter } = queueOf(1);
    const background = enter("ann-1", "background");
    enter("bob-1");
    enter("cid-1", "background");
    expect(granted).toEqual(["ann-1", "bob-1"]);
    queue.leave(background);
    expect(granted).toEqual(["ann-1", "bob-1"]);
  });

  it("holds everybody while there is no engine, and forgets who leaves", () => {
    const { queue, granted, enter } = queueOf(0);
    const gone = enter("ann-1");
    enter("bob-1");
    queue.leave(gone);
    expect(granted).toEqual([]);
    queue.setSlots(3);
    expect(granted).toEqual(["bob-1"]);
    expect(queue.waiting).toBe(0);
  });
});
