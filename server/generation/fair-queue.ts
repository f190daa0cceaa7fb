/** @file Whose turn it is: requests wait for slots, chat before background, and no person can crowd out another. */

export type Priority = "chat" | "background";

/** One request's way through the queue. */
export type Turn = {
  readonly userId: string;
  readonly priority: Priority;
  /** 1 = next; null once it has its slot. */
  position: number | null;
  /** Told whenever the position is set, the first time within `enter`. */
  readonly onMove: (position: number | null) => void;
};

/**
 * Order: chat before background; then the person with the fewest running answers; then whoever was served longest ago;
 * then first come. Background takes a slot only when no chat waits; chat does not count background's slots, because the
 * runtime itself holds background work back while chat runs.
 */
export class FairQueue {
  readonly #waiting: Turn[] = [];
  readonly #running = new Set<Turn>();
  /** When each person last got a slot, counted in grants. */
  readonly #served = new Map<string, number>();
  #grants = 0;
  #slots = 0;

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running.size;
  }

  /** 0 holds everybody (no engine); raising it lets the next ones go. */
  setSlots(slots: number): void {
    this.#slots = slots;
    this.#advance();
  }

  enter(userId: string, priority: Priority, onMove: Turn["onMove"]): Turn {
    const turn: Turn = { userId, priority, position: 0, onMove };
    this.#waiting.push(turn);
    this.#advance();
    return turn;
  }

  /** Ends a turn, waiting or running. Harmless the second time. */
  leave(turn: Turn): void {
    const index = this.#waiting.indexOf(turn);
    if (index >= 0) this.#waiting.splice(index, 1);
    this.#running.delete(turn);
    if (this.#running.size === 0 && this.#waiting.length === 0) this.#served.clear();
    this.#advance();
  }

  #advance(): void {
    const runningOf = new Map<string, number>();
    for (const { userId } of this.#running) runningOf.set(userId, (runningOf.get(userId) ?? 0) + 1);
    const moved: Turn[] = [];
    const ordered: Turn[] = [];
    const rest = [...this.#waiting];
    // Grants what can be granted, then goes on as if slots were free, to number those who wait.
    for (
      let next = takeNext(rest, runningOf, this.#served);
      next;
      next = takeNext(rest, runningOf, this.#served)
    ) {
      runningOf.set(next.userId, (runningOf.get(next.userId) ?? 0) + 1);
      if (ordered.length === 0 && this.#hasRoom(next.priority)) {
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        this.#running.add(next);
        this.#served.set(next.userId, ++this.#grants);
        next.position = null;
        moved.push(next);
        continue;
      }
      ordered.push(next);
      if (next.position !== ordered.length) {
        next.position = ordered.length;
        moved.push(next);
      }
    }
    for (const turn of moved) turn.onMove(turn.position);
  }

  #hasRoom(priority: Priority): boolean {
    if (priority === "background") return this.#running.size < this.#slots;
    let chats = 0;
    for (const turn of this.#running) if (turn.priority === "chat") chats++;
    return chats < this.#slots;
  }
}

/** Removes and returns who goes next. `turns` are in order of arrival. */
function takeNext(
  turns: Turn[],
  runningOf: ReadonlyMap<string, number>,
  served: ReadonlyMap<string, number>,
): Turn | null {
  let best: { turn: Turn; rank: [number, number, number] } | null = null;
  for (const turn of turns) {
    const rank: [number, number, number] = [
      turn.priority === "chat" ? 0 : 1,
      runningOf.get(turn.userId) ?? 0,
      served.get(turn.userId) ?? 0,
    ];
    if (!best || isBefore(rank, best.rank)) best = { turn, rank };
  }
  if (best) turns.splice(turns.indexOf(best.turn), 1);
  return best?.turn ?? null;
}

function isBefore(a: [number, number, number], b: [number, number, number]): boolean {
  return a[0] - b[0] < 0 || (a[0] === b[0] && (a[1] < b[1] || (a[1] === b[1] && a[2] < b[2])));
}
